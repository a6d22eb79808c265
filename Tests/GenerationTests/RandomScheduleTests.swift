// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing
import Tokenization
import Weights

@testable import Generation

/// Requests come, go and are cancelled at random: whatever is answered is what it is alone, nothing waits for ever,
/// and no page is lost.
@Suite struct RandomScheduleTests {
    private let loaded: LoadedModel

    init() throws { loaded = try LoadedModel(TinyPair(), context: 120) }

    /// - Parameter pause: 0 makes every step as small as can be while somebody streams.
    @Test(arguments: 0..<12, [0, 0.5])
    func everyAnswerIsTheLoneOne(seed: Int, pause: Double) throws {
        var requests = RandomRequests(loaded, seed: UInt64(seed))
        let parallel = 1 + requests.number(below: 6)
        let generator = try BatchGenerator(
            model: loaded.model, tokenizer: loaded.tokenizer, parallel: parallel,
            // From hardly more than one answer's pages to enough for all.
            cacheRows: 128 + requests.number(below: 120 * parallel), longestPause: pause,
            pictures: EncodedPictureCache(budget: seed % 2 == 0 ? 0 : 1 << 20))
        var arrived: [Int: BatchGenerator.Request] = [:]
        var flags: [Int: Cancellation] = [:]
        var outcomes: [Int: Result<Answer, GenerationError>] = [:]
        var texts: [Int: String] = [:]
        var steps = 0
        while arrived.count < 40 || !generator.isIdle {
            for _ in 0..<requests.number(below: 4) where arrived.count < 40 {
                let (id, flag) = (arrived.count, Cancellation())
                (arrived[id], flags[id]) = (requests.next(id), flag)
                try generator.start(arrived[id]!, cancellation: flag) { event in
                    if case .text(let piece) = event { texts[id, default: ""] += piece }
                }
            }
            if requests.number(below: 5) == 0, let id = flags.keys.sorted().last {
                flags[max(0, id - requests.number(below: 4))]?.cancel()
            }
            for outcome in try generator.step() {
                #expect(outcomes.updateValue(outcome.result, forKey: outcome.id) == nil)
            }
            steps += 1
            try #require(steps < 20_000, "some request waits for ever")
        }
        #expect(outcomes.count == 40)
        for (id, request) in arrived {
            let isCancelled = flags[id]?.isCancelled == true
            switch (try #require(outcomes[id]), requests.alone(request)) {
            case (.success(let found), .success(let expected)):
                #expect(found.agrees(with: expected))
                #expect(found.stopReason != .cancelled || isCancelled)
                #expect(found.text == texts[id, default: ""])
            case (.failure(.model(.cancelled)), _): #expect(isCancelled)
            case (.failure(let found), .failure(let expected)):
                // Alone, the cache is the context; a generator's may be smaller or larger.
                #expect("\(found)".prefix(10) == "\(expected)".prefix(10))
            case (let found, let expected):
                Issue.record("\(found) instead of \(expected)")
            }
        }
        generator.dropPrefixes()
        #expect(generator.pool.usage.taken == 0 && generator.pool.usage.committed == 0)
    }

    /// A prompt that continues an earlier one, its picture included, reads only what is new.
    @Test func aContinuedPromptFindsItsRows() throws {
        let tiles = loaded.tiles(width: 30, height: 30)
        let key = RandomRequests.key(1)
        let first: [PromptPiece] = [
            .tokens((0..<20).map { TokenID(263 + $0 % 7) }), .picture(0), .tokens([270, 271]),
        ]
        func request(
            _ id: Int, _ prompt: [PromptPiece], tokens: Int = 6
        ) -> BatchGenerator.Request {
            BatchGenerator.Request(
                id: id, prompt: prompt, pictures: [.tiles(tiles, key: key)],
                options: GenerationOptions(maxNewTokens: tokens, ignoresEndOfSequence: true),
                isContinued: true)
        }
        func answer(_ request: BatchGenerator.Request, _ generator: BatchGenerator) throws -> Answer
        {
            try generator.start(request)
            while true {
                for outcome in try generator.step() { return try outcome.result.get() }
            }
        }
        let generator = try BatchGenerator(
            model: loaded.model, tokenizer: loaded.tokenizer, parallel: 1, cacheRows: 400)
        let turn = try answer(request(0, first), generator)
        let kept = generator.pool.usage.taken
        #expect(kept > 0)
        let second = first + [.tokens(turn.tokens), .tokens([275, 276])]
        let before = generator.pool.usage.mostTaken
        let found = try answer(request(1, second, tokens: 1), generator)
        // The second turn takes the pages that it adds, and one for the page that it continues.
        #expect(generator.pool.usage.mostTaken <= max(before, kept + 2))
        let conversation = try LoneConversation(loaded)
        let expected = try conversation.answer(
            second, pictures: [tiles], options: request(1, second, tokens: 1).options)
        #expect(found.tokens == expected.tokens)
    }
}
