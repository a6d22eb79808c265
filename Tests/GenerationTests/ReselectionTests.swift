// SPDX-License-Identifier: Apache-2.0
import Pictures
import TensorOps
import TestSupport
import Testing
import TokenPruning
import Tokenization
import Weights

@testable import Generation

/// Conversations that select anew for every question, and pictures that share their budgets.
@Suite struct ReselectionTests {
    private let loaded: LoadedModel
    private let pictures: [TileBatch]

    init() throws {
        let loaded = try LoadedModel(TinyPair())
        self.loaded = loaded
        pictures = (0..<2).map { loaded.tiles(width: 50, height: 40, seed: UInt64($0) + 3) }
    }

    private func options(reselects: Bool = false, sharesBudget: Bool = false) -> GenerationOptions {
        GenerationOptions(
            maxNewTokens: 3, ignoresEndOfSequence: true,
            pruning: PruningOptions(
                budget: .count(2), selector: "cdpruner", sharesBudget: sharesBudget,
                reselects: reselects))
    }

    private let first: [PromptPiece] = [.tokens([1, 263]), .picture(0), .tokens([265, 266])]
    private let second: [PromptPiece] = [.tokens([267]), .picture(0), .tokens([268, 269])]

    @Test func everyQuestionReadsAllPicturesByItsOwnSelection() throws {
        let conversation = try loaded.conversation()
        let options = options(reselects: true)
        let one = try conversation.answer(
            first, pictures: [pictures[0]], question: [270, 271], options: options)
        let recorder = StageRecorder()
        let two = try conversation.answer(
            second, pictures: [pictures[1]], question: [280, 281], options: options,
            recorder: recorder)
        // The whole conversation at once, with the second question alone to look at.
        let together = StageRecorder()
        let expected = try loaded.conversation().answer(
            first + [.tokens(one.tokens), .tokens([267]), .picture(1), .tokens([268, 269])],
            pictures: pictures, question: [280, 281], options: options, recorder: together)
        #expect(two.tokens == expected.tokens && two.selections == expected.selections)
        #expect(recorder.logits.values == together.logits.values)
        // What both selections begin with is in the cache.
        let read = recorder.tokens.count
        #expect(read > 0 && read <= together.tokens.count - 2)
        #expect(recorder.tokens == together.tokens.suffix(read))
        #expect(recorder.positions == together.positions.suffix(read))
        #expect(two.selections.count == 2)
    }

    @Test func withoutItTheFirstSelectionStays() throws {
        let conversation = try loaded.conversation()
        _ = try conversation.answer(
            first, pictures: [pictures[0]], question: [270, 271], options: options())
        let two = try conversation.answer(
            second, pictures: [pictures[1]], question: [280, 281], options: options())
        #expect(two.selections.count == 1)
    }

    @Test func aQuestionThatIsCancelledLeavesTheConversationAsItWas() throws {
        let options = options(reselects: true)
        let (conversation, other) = (try loaded.conversation(), try loaded.conversation())
        for each in [conversation, other] {
            _ = try each.answer(
                first, pictures: [pictures[0]], question: [270, 271], options: options)
        }
        let cancellation = Cancellation()
        cancellation.cancel()
        let cancelled = try conversation.answer(
            second, pictures: [pictures[1]], options: options, cancellation: cancellation)
        #expect(cancelled.stopReason == .cancelled && cancelled.tokens.isEmpty)
        let answers = try [conversation, other].map {
            try $0.answer([.tokens([272])], pictures: [], question: [280], options: options)
        }
        #expect(answers[0].tokens == answers[1].tokens)
        #expect(answers[0].selections == answers[1].selections)
    }

    @Test func sharedBudgetsAreThoseOfSeveralPictures() throws {
        let prompt = first + [.picture(1), .tokens([270])]
        let recorder = StageRecorder()
        let answer = try loaded.conversation().answer(
            prompt, pictures: pictures, question: [280, 281], options: options(sharesBudget: true),
            recorder: recorder)
        let patches = answer.selections[0].candidateCount
        let width = loaded.model.decoder.config.width
        let candidates = (0..<2).map { picture in
            Activations(
                Array(
                    recorder.projected.values[
                        (picture * patches * width)..<((picture + 1) * patches * width)]),
                width: width)
        }
        let expected = try SeveralPictures().select(
            candidates, text: loaded.model.decoder.embed([280, 281]), keep: 4,
            ops: loaded.model.ops)
        #expect(answer.selections.map(\.keptPatches) == expected.indices)
        #expect(answer.statistics.visualRows == 4)
    }
}
