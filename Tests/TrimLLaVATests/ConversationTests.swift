// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Synchronization
import TestSupport
import Testing

@testable import TrimLLaVA

@Suite struct ConversationTests {
    @Test func exactPromptsGiveTheGoldenTokens() throws {
        let golden = try #require(GoldenCase.all.first { $0.name == "two-pictures-pad" })
        let facts = try golden.facts()
        let llava = try LLaVA(
            golden: golden.model,
            options: LoadOptions(
                activationMode: .float, visionPrecision: .float, cacheFormat: .f32))
        let answer = try llava.complete(
            facts.prompt,
            pictures: try golden.picturePaths().map { try PictureDecoder.load(path: $0) },
            options: exactly(facts.steps))
        #expect(answer.tokens == (try golden.stage("generated"))?.int32s)
        #expect(answer.statistics.promptRows == (try golden.stage("tokens"))?.shape[0])
        #expect(answer.statistics.tilingSeconds > 0)
    }

    @Test func progressGoesFromPictureToPromptAndEndsBeforeTheAnswer() throws {
        let events = Mutex<[PromptProgress?]>([])
        _ = try LLaVA.llama3().conversation().ask(
            "Both", pictures: [picture("wide"), picture("small")], options: exactly(5),
            onText: { _ in events.withLock { $0.append(nil) } },
            onProgress: { event in events.withLock { $0.append(event) } })
        let seen = events.withLock(\.self)
        let progress = seen.prefix { $0 != nil }.compactMap(\.self)
        #expect(seen.dropFirst(progress.count).allSatisfy { $0 == nil })
        let places = progress.map { event in
            switch event {
            case .encoding(let picture, let count, let done):
                #expect(count == 2)
                return Double(picture) + done * 0.9
            case .reading(let done): return 2 + done
            }
        }
        #expect(places == places.sorted())
        #expect(places.first == 0)
        #expect(places.last == 3)
        #expect(progress.contains(.encoding(picture: 0, of: 2, done: 1)))
        #expect(progress.contains(.encoding(picture: 1, of: 2, done: 0)))
        #expect(progress.contains(.reading(done: 0)))
        #expect(progress.contains(.encoding(picture: 1, of: 2, done: 1)))
    }

    @Test func refusedQuestionsCostNothingAndChangeNothing() throws {
        let llava = try LLaVA(golden: "llava-1.5-gqa", options: LoadOptions(context: 90))
        let conversation = try llava.conversation()
        let recorder = StageRecorder()
        func refusal(_ question: String, _ pictures: [Picture]) throws -> LLaVAError? {
            try libraryError {
                _ = try conversation.ask(
                    question, pictures: pictures, recorder: recorder,
                    onText: { Issue.record("\($0)") },
                    onProgress: { Issue.record("\($0)") })
            }
        }
        guard
            case .generation(.promptTooLong(let rows, let visual, 0, 90)) =
                try refusal(String(repeating: "long ", count: 99), [picture("small")])
        else {
            Issue.record("a long prompt was taken")
            return
        }
        #expect(visual == 36 && rows > 90)
        #expect(
            try refusal("<image> <image>", [picture("small")])
                == .tokenization(.pictureCount(markers: 2, pictures: 1)))
        let options = GenerationOptions(sampling: SamplingOptions(topP: 0))
        guard
            case .generation(.invalidOption("top-p", "0.0", _)) =
                try libraryError({ _ = try conversation.ask("Hi", options: options) })
        else {
            Issue.record("top-p 0 was taken")
            return
        }
        #expect(recorder.pixels.values.isEmpty && recorder.tokens.isEmpty)
        let first = try conversation.ask("Hi", options: exactly(8))
        #expect(try first.tokens == llava.conversation().ask("Hi", options: exactly(8)).tokens)
    }

    @Test func aStoppedAnswerStaysAndAStoppedQuestionIsForgotten() throws {
        let llava = try LLaVA.llama3()
        let conversation = try llava.conversation()
        let atOnce = Cancellation()
        atOnce.cancel()
        let none = try conversation.ask(
            "Never mind", pictures: [picture("wide")], cancellation: atOnce)
        #expect(none.stopReason == .cancelled)
        #expect(none.tokens.isEmpty && none.text.isEmpty)

        let soon = Cancellation()
        var pieces: [String] = []
        let some = try conversation.ask(
            "One", options: exactly(400), cancellation: soon,
            onText: {
                pieces.append($0)
                if pieces.count == 3 { soon.cancel() }
            })
        // The engine does not wait for this thread, and may even be done.
        #expect(some.stopReason == .cancelled || some.tokens.count == 400)
        #expect(pieces.count >= 3 && some.text == pieces.joined())

        let other = try llava.conversation()
        let same = try other.ask("One", options: exactly(some.tokens.count))
        #expect(same.tokens == some.tokens)
        #expect(
            try conversation.ask("Two", options: exactly(9)).tokens
                == other.ask("Two", options: exactly(9)).tokens)
    }

    @Test func conversationsOnOneModelDoNotMix() throws {
        let llava = try LLaVA(golden: "llava-1.5-gqa", options: LoadOptions(threadCount: 3))
        let pictures = try ["wide", "small", "square", "portrait"].map(picture)
        @Sendable func talk(_ index: Int) throws -> [TokenID] {
            let conversation = try llava.conversation()
            return try (0..<3).flatMap { turn in
                try conversation.ask(
                    "Question \(index).\(turn)", pictures: turn == 0 ? [pictures[index]] : [],
                    options: exactly(20)
                ).tokens
            }
        }
        let alone = try (0..<4).map(talk)
        #expect(Set(alone).count == 4)
        let together = Mutex([[TokenID]?](repeating: nil, count: 4))
        DispatchQueue.concurrentPerform(iterations: 4) { index in
            let tokens = try? talk(index)
            together.withLock { $0[index] = tokens }
        }
        #expect(together.withLock(\.self) == alone)
    }

    /// A context for each answer, and the pages that an answer ends in and a stored start ends in.
    @Test func anEngineForOneAnswerHasPagesForOne() throws {
        let llava = try LLaVA(
            golden: "llava-1.5-gqa", options: LoadOptions(context: 90, parallel: 1))
        let conversation = try llava.conversation()
        #expect(try llava.engine().status.allPages == 6 + 2)
        // An answer to the last row, and no page short.
        let first = try conversation.ask("One", options: exactly(20))
        let second = try conversation.ask("Two", options: exactly(80))
        #expect(first.stopReason == .length && second.stopReason == .context)
        #expect(second.statistics.cacheRows == 89)
    }
}
