// SPDX-License-Identifier: Apache-2.0
import Families
import Generation
import Imaging
import Pictures
import Synchronization
import TestSupport
import Testing
import Tokenization
import Weights

@testable import TrimLLaVA

/// Many requests to an engine of their own.
@Suite struct AnswerQueueTests {
    private struct Failed: Error {}

    private static let names = ["wide", "small", "square", "portrait"]

    private let llava: LLaVA
    private let encoder: any PictureEncoder

    init() throws {
        llava = try LLaVA(golden: "llava-1.5-gqa")
        encoder = try llava.model.pictureEncoder
    }

    private func queue(
        parallel: Int = 3, sharedPictures: Int = 0, encodingThreads: Int = 0
    ) throws -> AnswerQueue {
        try llava.answers(
            parallel: parallel, cacheRows: 2048, sharedPictures: sharedPictures,
            encodingThreads: encodingThreads)
    }

    private func request(
        _ question: String, _ pictures: [Engine.Picture], tokens: Int = 20
    ) throws -> Engine.Request {
        try WrittenPrompt(
            question, pictures: pictures.count, by: llava.prompts(nil, system: nil),
            llava.tokenizer
        ).request(about: pictures, options: exactly(tokens))
    }

    private func request(_ index: Int) throws -> Engine.Request {
        let picture = PictureSource.picture(try picture(Self.names[index % 4]))
        return try request("Question \(index)", [picture.engineInput(encoder)])
    }

    @Test(arguments: [1, 3, 8], [0, 2])
    func everyAnswerIsTheLoneOne(parallel: Int, encodingThreads: Int) throws {
        let queue = try queue(parallel: parallel, encodingThreads: encodingThreads)
        var (made, answers) = (0, [Int: Answer]())
        try queue.run(
            cancellation: Cancellation(),
            next: { () throws -> (Int, Engine.Request)? in
                #expect(made - answers.count < parallel + 2, "pictures pile up")
                guard made < 12 else { return nil }
                defer { made += 1 }
                return (made, try request(made))
            },
            onOutcome: { (index: Int, outcome: AnswerQueue.Outcome) throws in
                answers[index] = try outcome.get()
            }, onProgress: {})
        #expect(answers.count == 12)
        for (index, answer) in answers {
            let alone = try llava.conversation().ask(
                "Question \(index)", pictures: [picture(Self.names[index % 4])],
                options: exactly(20))
            #expect(answer.tokens == alone.tokens && answer.text == alone.text)
        }
        let status = queue.status
        #expect(status.active == 0 && status.queued == 0 && status.mostCacheBytes > 0)
        #expect(encodingThreads > 0 || status.encodingSeconds > 0)
        #expect(status.decoderSeconds > 0)
    }

    @Test func aPictureThatCannotBeLoadedEndsNothingElse() throws {
        let queue = try queue()
        let error = GenerationError.picture(.empty(name: "a"))
        var outcomes: [Int: AnswerQueue.Outcome] = [:]
        var made = 0
        try queue.run(
            cancellation: Cancellation(),
            next: { () throws -> (Int, Engine.Request)? in
                guard made < 6 else { return nil }
                defer { made += 1 }
                let bad = Engine.Picture { () throws(GenerationError) in throw error }
                return (made, made == 2 ? try request("What?", [bad]) : try request(made))
            },
            onOutcome: { (index: Int, outcome: AnswerQueue.Outcome) throws in
                outcomes[index] = outcome
            }, onProgress: {})
        #expect(outcomes.count == 6)
        for (index, outcome) in outcomes {
            switch outcome {
            case .success(let answer): #expect(index != 2 && answer.tokens.count == 20)
            case .failure(let found): #expect(index == 2 && found == error)
            }
        }
    }

    /// Several questions about one picture load and encode it once.
    @Test(arguments: [1, 4], [0, 2])
    func aSharedPictureIsEncodedOnce(parallel: Int, encodingThreads: Int) throws {
        let queue = try queue(
            parallel: parallel, sharedPictures: 1, encodingThreads: encodingThreads)
        let tiles = try encoder.tiles(of: picture("wide"))
        let loads = Mutex(0)
        let shared = Engine.Picture(key: .unique()) { () throws(GenerationError) in
            loads.withLock { $0 += 1 }
            return tiles
        }
        var (made, answers) = (0, [Int: Answer]())
        try queue.run(
            cancellation: Cancellation(),
            next: { () throws -> (Int, Engine.Request)? in
                guard made < 5 else { return nil }
                defer { made += 1 }
                return (made, try request("Question \(made)", [shared]))
            },
            onOutcome: { (index: Int, outcome: AnswerQueue.Outcome) throws in
                answers[index] = try outcome.get()
            }, onProgress: {})
        #expect(answers.count == 5 && loads.withLock(\.self) == 1)
        let costs = answers.sorted { $0.key < $1.key }.map(\.value.statistics)
        let all = costs.map {
            $0.visionSeconds + $0.projectionSeconds + $0.earlierEncodingSeconds
        }
        #expect(all[0] > 0 && all.allSatisfy { $0 == all[0] })
        #expect(costs.dropFirst().allSatisfy { $0.visionSeconds == 0 })
        #expect((costs[0].visionSeconds == 0) == (encodingThreads > 0))
    }

    /// Finishing answers what is in work, and drops what waits.
    @Test func finishingMakesNoMoreRequests() throws {
        let queue = try queue(parallel: 2)
        var (made, answers, isFinishing) = (0, [Answer](), false)
        try queue.run(
            isFinishing: { isFinishing }, cancellation: Cancellation(),
            next: { () throws -> (Int, Engine.Request)? in
                #expect(!isFinishing)
                defer { made += 1 }
                return (made, try request(made))
            },
            onOutcome: { (_: Int, outcome: AnswerQueue.Outcome) throws in
                answers.append(try outcome.get())
                isFinishing = true
            }, onProgress: {})
        #expect(!answers.isEmpty && answers.count <= made && made <= 4)
        #expect(answers.allSatisfy { $0.tokens.count == 20 && $0.stopReason == .length })
        #expect(queue.status.active == 0)
    }

    @Test func cancellationDropsAllAtOnce() throws {
        let queue = try queue(parallel: 2)
        let cancellation = Cancellation()
        var (made, count) = (0, 0)
        try queue.run(
            cancellation: cancellation,
            next: { () throws -> (Int, Engine.Request)? in
                made += 1
                return (made, try request(made))
            },
            onOutcome: { (_: Int, _: AnswerQueue.Outcome) throws in
                count += 1
                cancellation.cancel()
            }, onProgress: {})
        #expect(count == 1 && queue.status.active == 0)
    }

    @Test func anErrorOfTheCallerDropsAllAtOnce() throws {
        let queue = try queue(parallel: 2)
        var made = 0
        #expect(throws: Failed.self) {
            try queue.run(
                cancellation: Cancellation(),
                next: { () throws -> (Int, Engine.Request)? in
                    made += 1
                    return (made, try request(made))
                }, onOutcome: { (_: Int, _: AnswerQueue.Outcome) throws in throw Failed() },
                onProgress: {})
        }
        #expect(queue.status.active == 0)
        var next: (Int, Engine.Request)? = (1, try request(1))
        try queue.run(
            cancellation: Cancellation(),
            next: { () throws in next.take() },
            onOutcome: { (_: Int, outcome: AnswerQueue.Outcome) throws in
                #expect(try outcome.get().tokens.count == 20)
            }, onProgress: {})
        #expect(next == nil)
    }
}
