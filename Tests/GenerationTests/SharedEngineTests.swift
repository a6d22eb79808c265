// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Pictures
import Synchronization
import TestSupport
import Testing
import TokenPruning
import Tokenization
import Weights

@testable import Generation

/// Conversations on one engine: each is what it is alone, and no row is read again that the cache has.
@Suite struct SharedEngineTests {
    private struct Turn {
        let prompt: [PromptPiece]
        let pictures: [TileBatch]
        let options: GenerationOptions
    }

    private let loaded: LoadedModel

    init() throws { loaded = try LoadedModel(TinyPair(), context: 120) }

    /// Three turns, the first and the last about a picture; they differ by seed from the first token on.
    private func turns(_ seed: Int) -> [Turn] {
        (0..<3).map { turn in
            let pictures =
                turn == 1
                ? [] : [loaded.tiles(width: 30, height: 40, seed: UInt64(10 * seed + turn))]
            let text = (0..<4).map { TokenID(263 + (7 * seed + 5 * turn + 3 * $0) % 20) }
            var options = GenerationOptions(maxNewTokens: 4 + turn, ignoresEndOfSequence: true)
            if seed % 3 > 0 {
                options.pruning = PruningOptions(
                    budget: .count(2), selector: "uniform", reselects: seed % 3 == 2)
            }
            return Turn(
                prompt: [.tokens(Array(text.prefix(1)))] + pictures.indices.map { .picture($0) }
                    + [.tokens(text)],
                pictures: pictures, options: options)
        }
    }

    private func ask(
        _ turn: Turn, after history: inout History, of engine: Engine,
        recorder: StageRecorder? = nil
    ) throws(GenerationError) -> Answer {
        try history.ask(turn.prompt, turn.pictures, turn.options, of: engine, recorder: recorder)
    }

    /// All turns, one after the other.
    private func talk(_ seed: Int, with engine: Engine) throws(GenerationError) -> [[TokenID]] {
        var history = History()
        var answers: [[TokenID]] = []
        for turn in turns(seed) {
            answers.append(try ask(turn, after: &history, of: engine).tokens)
        }
        return answers
    }

    private func talkAlone(_ seed: Int) throws(GenerationError) -> [[TokenID]] {
        let engine = try loaded.engine(parallel: 1)
        defer { engine.close() }
        return try talk(seed, with: engine)
    }

    @Test(arguments: [0, 1], [1, 3])
    func aQuestionReadsItsOwnRowsAlone(seed: Int, parallel: Int) throws {
        let engine = try loaded.engine(parallel: parallel)
        var (history, before) = (History(), 0)
        for turn in turns(seed) {
            let recorder = StageRecorder()
            let answer = try ask(turn, after: &history, of: engine, recorder: recorder)
            // The last token of an answer is read with the next question.
            let left = before == 0 ? 0 : 1
            #expect(recorder.tokens.count == left + answer.statistics.promptRows)
            #expect(answer.statistics.sharedRows == before)
            #expect(answer.selections.count == turn.pictures.count)
            before = answer.statistics.cacheRows
        }
    }

    /// What others have said belongs to nobody's record.
    @Test func aRecordHasAllRowsOfItsConversation() throws {
        let engine = try loaded.engine(parallel: 1)
        let turn = Turn(
            prompt: [.tokens((263..<280).map { TokenID($0) })], pictures: [],
            options: GenerationOptions(maxNewTokens: 2, ignoresEndOfSequence: true))
        for shared in [0, 16] {
            var history = History()
            let recorder = StageRecorder()
            let answer = try ask(turn, after: &history, of: engine, recorder: recorder)
            #expect(answer.statistics.sharedRows == shared)
            #expect(recorder.tokens.count == 17 && recorder.positions.count == 17)
        }
    }

    @Test func conversationsInTurnDoNotMix() throws {
        let engine = try loaded.engine(parallel: 1, cacheRows: 600)
        var histories = (0..<6).map { _ in History() }
        var answers = [[[TokenID]]](repeating: [], count: 6)
        for turn in 0..<3 {
            for seed in 0..<6 {
                answers[seed].append(
                    try ask(turns(seed)[turn], after: &histories[seed], of: engine).tokens)
            }
        }
        for seed in 0..<6 { #expect(try answers[seed] == talkAlone(seed)) }
    }

    @Test(arguments: [1, 2, 5])
    func conversationsAtTheSameTimeDoNotMix(parallel: Int) throws {
        // Fewer pages than all of them take: some lose their rows.
        let engine = try loaded.engine(parallel: parallel, cacheRows: 160)
        let answers = Mutex([[[TokenID]]?](repeating: nil, count: 6))
        DispatchQueue.concurrentPerform(iterations: 6) { seed in
            let found = try? talk(seed, with: engine)
            answers.withLock { $0[seed] = found }
        }
        let found = answers.withLock(\.self)
        for seed in 0..<6 { #expect(try found[seed] == talkAlone(seed)) }
    }

    @Test(arguments: 0..<3)
    func evictedRowsAreReadAgain(seed: Int) throws {
        let engine = try loaded.engine(parallel: 1, cacheRows: 128)
        var (history, other) = (History(), History())
        var (answers, rows) = ([[TokenID]](), 0)
        for turn in turns(seed) {
            let recorder = StageRecorder()
            let answer = try ask(turn, after: &history, of: engine, recorder: recorder)
            answers.append(answer.tokens)
            #expect(answer.statistics.sharedRows == 0)
            rows = answer.statistics.cacheRows
            #expect(recorder.tokens.count == rows - answer.tokens.count + 1)
            // All pages.
            _ = try ask(
                Turn(
                    prompt: [.tokens(Array(repeating: 285, count: 118))], pictures: [],
                    options: GenerationOptions(maxNewTokens: 2)), after: &other, of: engine)
            other = History()
        }
        #expect(rows > 16)
        #expect(try answers == talkAlone(seed))
    }

    /// No step ends while the neighbour is held, so nothing but the cancellation ends the wait.
    @Test func aQuestionThatWaitsForItsTurnHearsThatItIsCancelled() throws {
        let engine = try LoadedModel(TinyPair.reciting(tokens("a", "b", "c"))).engine(parallel: 1)
        let neighbour = try HeldNeighbour(on: engine)
        neighbour.waitUntilHeld()
        let ahead = (2...engine.mostActive).map { _ in
            Engine.Request(
                prompt: [.tokens(tokens("a"))], options: GenerationOptions(maxNewTokens: 1))
        }
        for request in ahead { _ = try engine.submit(request, onEvent: { _ in }, onEnd: { _ in }) }
        let cancellation = Cancellation()
        var history = History()
        let answer = try history.ask(
            [.tokens(tokens("b"))], [], GenerationOptions(), of: engine, cancellation: cancellation
        ) { event in
            if case .queued = event { cancellation.cancel() }
        }
        #expect(answer.stopReason == .cancelled && history.isEmpty)
        neighbour.letGo()
    }
}
