// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Foundation
import TestSupport
import Testing
import TokenPruning
import Tokenization
import Weights

@testable import Generation

/// Many answers at once: each is what it is alone, and all come to an end.
@Suite struct BatchGeneratorTests {
    private let loaded: LoadedModel

    init() throws { self.init(try LoadedModel(TinyPair(), context: 120)) }

    private init(_ loaded: LoadedModel) { self.loaded = loaded }

    /// Prompts of many lengths about no picture, one or two, each with its own way to end.
    private func request(_ id: Int, prefix: Int = 20) -> BatchGenerator.Request {
        var random = SeededGenerator(seed: UInt64(id) + 1)
        func text(_ count: Int) -> [TokenID] {
            (0..<count).map { _ in TokenID.random(in: 263..<283, using: &random) }
        }
        let pictures = (0..<(id % 3)).map {
            loaded.tiles(width: 30 + id, height: 40, seed: UInt64(7 * id + $0))
        }
        let start = (0..<prefix).map { TokenID(263 + $0 % 7) }
        let pieces =
            [PromptPiece.tokens(start)]
            + pictures.indices.flatMap { [.picture($0), .tokens(text(1 + id % 5))] }
            + [.tokens(text(1 + id % 11))]
        return BatchGenerator.Request(
            id: id, prompt: pieces, pictures: pictures,
            options: GenerationOptions(
                maxNewTokens: 1 + id * 7 % 19,
                sampling: SamplingOptions(temperature: id % 2 == 0 ? 0 : 0.8, seed: 5),
                ignoresEndOfSequence: id % 4 != 0,
                pruning: id % 2 == 0
                    ? PruningOptions(budget: .count(2), selector: "uniform") : nil))
    }

    private func alone(_ request: BatchGenerator.Request) throws -> Answer {
        try LoneConversation(loaded).answer(
            request.prompt, pictures: request.tiles, options: request.options)
    }

    /// Hands requests over as there is room, and collects what becomes of them.
    private func run(
        _ requests: [BatchGenerator.Request], _ generator: BatchGenerator
    ) throws -> [Int: Result<Answer, GenerationError>] {
        var (rest, outcomes) = (requests[...], [Int: Result<Answer, GenerationError>]())
        while !rest.isEmpty || generator.count > 0 || outcomes.count < requests.count {
            while generator.hasRoom, let next = rest.popFirst() { try generator.start(next) }
            for outcome in try generator.step() {
                #expect(outcomes.updateValue(outcome.result, forKey: outcome.id) == nil)
            }
        }
        return outcomes
    }

    private func generator(parallel: Int, rows: Int) throws -> BatchGenerator {
        try BatchGenerator(
            model: loaded.model, tokenizer: loaded.tokenizer, parallel: parallel, cacheRows: rows)
    }

    /// Other threads cancel while a step looks who is cancelled.
    @Test func aRequestCancelledAtAnyMomentHasAnOutcome() throws {
        let generator = try generator(parallel: 1, rows: 160)
        let requests = (0..<2000).map { request(3 * $0) }
        let cancellations = requests.map { _ in Cancellation() }
        for (request, cancellation) in zip(requests, cancellations) {
            try generator.start(request, cancellation: cancellation)
        }
        let isOver = DispatchSemaphore(value: 0)
        DispatchQueue.global().async {
            for cancellation in cancellations.reversed() {
                cancellation.cancel()
                usleep(50)
            }
            isOver.signal()
        }
        var ended = Set<Int>()
        while !generator.isIdle { ended.formUnion(try generator.step().map(\.id)) }
        isOver.wait()
        #expect(ended.count == requests.count)
    }

    /// The tiles of a large picture take 50 MB, which no answer needs.
    @Test func tilesAreGivenBackOnceEncoded() throws {
        let encoding = try RequestInEncoding(
            request(2), loaded.model, EncodedPictureCache(budget: 0), Cancellation(),
            RequestObserver())
        #expect(encoding.request.pictures.count == 2)
        while !encoding.isDone { try encoding.runSlice() }
        #expect(try encoding.selected().request.pictures.isEmpty)
    }

    @Test(arguments: [TinyModel.Family.smolVLM, .qwen3VL])
    func answersOfOtherFamiliesAreThoseOfEachAlone(family: TinyModel.Family) throws {
        var model = family == .qwen3VL ? TinyModel.qwen3VL : TinyModel()
        model.family = family
        let tests = BatchGeneratorTests(try LoadedModel(TinyPair(model), context: 200))
        for parallel in [1, 3, 8] {
            try tests.answersAreThoseOfEachAlone(parallel: parallel, prefix: 20)
        }
    }

    @Test(arguments: 1...8, [3, 20])
    func answersAreThoseOfEachAlone(parallel: Int, prefix: Int) throws {
        var random = SeededGenerator(seed: UInt64(parallel))
        let requests = (0..<24).map { request($0, prefix: prefix) }.shuffled(using: &random)
        let generator = try generator(
            parallel: parallel, rows: loaded.model.context * parallel + 40)
        let outcomes = try run(requests, generator)
        #expect(outcomes.count == requests.count)
        for request in requests {
            let expected = try alone(request)
            let found = try #require(outcomes[request.id]).get()
            #expect(found.text == expected.text && found.tokens == expected.tokens)
            #expect(found.stopReason == expected.stopReason)
            #expect(found.statistics.promptRows == expected.statistics.promptRows)
            #expect(found.statistics.cacheRows == expected.statistics.cacheRows)
        }
        #expect(generator.pool.usage.committed == 0)
    }

    /// Pages for little more than one answer: the others wait, and none waits for ever.
    @Test func fewPagesMakeRequestsWait() throws {
        let requests = (0..<12).map { request($0) }
        let generator = try generator(parallel: 6, rows: 128)
        let outcomes = try run(requests, generator)
        for request in requests {
            #expect(try outcomes[request.id]?.get().tokens == alone(request).tokens)
        }
    }

    @Test func whatCanNeverFitIsRefusedAndTheOthersGoOn() throws {
        let requests = (0..<6).map { request($0) }
        let long = BatchGenerator.Request(
            id: 99, prompt: [.tokens(Array(repeating: 270, count: 60))], pictures: [],
            options: GenerationOptions(maxNewTokens: 30))
        let tooLong = BatchGenerator.Request(
            id: 98, prompt: [.tokens(Array(repeating: 270, count: 500))], pictures: [],
            options: GenerationOptions(maxNewTokens: 30))
        let empty = BatchGenerator.Request(
            id: 97, prompt: [], pictures: [], options: GenerationOptions())
        let generator = try generator(parallel: 2, rows: 80)
        let outcomes = try run([requests[1], long, requests[3], tooLong, empty], generator)
        for id in [1, 3] {
            #expect(try outcomes[id]?.get().tokens == alone(requests[id]).tokens)
        }
        for id in 97...99 {
            #expect(throws: GenerationError.self) { try outcomes[id]?.get() }
        }
    }

    /// The text before the picture, or what two prompts without one have in common.
    @Test(arguments: [true, false])
    func aSharedPrefixIsStoredOnce(showsPicture: Bool) throws {
        let start = (0..<40).map { TokenID(263 + $0 % 7) }
        let tiles = loaded.tiles(width: 30, height: 30)
        let rows = 41 + (showsPicture ? tiles.plan.rows.count : 0)
        let generator = try generator(parallel: 4, rows: 400)
        for id in 0..<4 {
            try generator.start(
                BatchGenerator.Request(
                    id: id,
                    prompt: [.tokens(start)] + (showsPicture ? [.picture(0)] : [])
                        + [.tokens([TokenID(275 + id)])],
                    pictures: showsPicture ? [tiles] : [],
                    options: GenerationOptions(maxNewTokens: 4, ignoresEndOfSequence: true)))
        }
        _ = try generator.step()
        // 40 rows are two full pages, shared, and part of a third, which everybody has a copy of. Without a
        // picture the first prompt cannot know what it will share.
        let own = (rows + 15) / 16
        let taken = showsPicture ? 3 + 4 * (own - 2) : own + 3 + 3 * (own - 2)
        #expect(generator.pool.usage.taken == taken)
    }

    /// What an answer reports as its cache is what was taken for it.
    @Test(arguments: 0..<6)
    func reportedBytesWereTaken(id: Int) throws {
        let generator = try generator(parallel: 1, rows: 120)
        let request = request(id, prefix: 3)
        let statistics = try #require(try run([request], generator)[id]).get().statistics
        let pool = generator.pool
        #expect(statistics.cacheBytes == pool.byteCount(pages: pool.usage.mostTaken))
        #expect(pool.usage.taken == 0)
        let unpruned = BatchGenerator.Request(
            id: 50, prompt: request.prompt, pictures: request.tiles,
            options: GenerationOptions(
                maxNewTokens: statistics.generatedTokens, ignoresEndOfSequence: true))
        let full = try #require(try run([unpruned], generator)[50]).get().statistics
        #expect(statistics.unprunedCacheBytes == full.cacheBytes)
    }

    /// What is streamed to somebody waits for nobody, so no limit makes its steps smaller.
    @Test func noPauseSlowsALoneAnswer() throws {
        func steps(longestPause: Double) throws -> Int {
            let generator = try BatchGenerator(
                model: loaded.model, tokenizer: loaded.tokenizer, parallel: 1, cacheRows: 400,
                longestPause: longestPause)
            var steps = 0
            for id in 0..<2 {
                let tiles = loaded.tiles(width: 30, height: 30)
                try generator.start(
                    BatchGenerator.Request(
                        id: id,
                        prompt: [.tokens((0..<60).map { TokenID(263 + $0 % 7) }), .picture(0)],
                        pictures: [.tiles(tiles)],
                        options: GenerationOptions(maxNewTokens: 9, ignoresEndOfSequence: true),
                        isStreamed: true, isContinued: true))
                repeat { steps += 1 } while try generator.step().isEmpty
            }
            return steps
        }
        // The first step of an answer encodes its picture, reads its prompt and chooses a token.
        #expect(try steps(longestPause: 0) == 18)
    }

    @Test func aCancelledStepChangesNothing() throws {
        let requests = (0..<5).map { request($0) }
        let generator = try generator(parallel: 5, rows: 600)
        for request in requests { try generator.start(request) }
        let cancellation = Cancellation()
        cancellation.cancel()
        #expect(throws: GenerationError.model(.cancelled)) {
            try generator.step(cancellation: cancellation)
        }
        let other = try self.generator(parallel: 1, rows: 100)
        #expect(throws: GenerationError.model(.cancelled)) {
            try other.start(requests[1], cancellation: cancellation)
        }
        #expect(other.count == 0 && other.pool.usage.taken == 0)
        let outcomes = try run([], generator)
        for request in requests {
            #expect(try outcomes[request.id]?.get().tokens == alone(request).tokens)
        }
    }
}
