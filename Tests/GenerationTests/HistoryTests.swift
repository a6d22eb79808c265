// SPDX-License-Identifier: Apache-2.0
import Pictures
import TensorOps
import TestSupport
import Testing
import Tokenization
import Weights

@testable import Generation

/// What ends an answer, what refuses a prompt, and what a conversation remembers.
@Suite struct HistoryTests {
    private let recital = tokens("a", "b", "c", "d", "e", "f", "g")

    private func reciting(
        _ line: [TokenID], context: Int? = nil
    ) throws -> (LoadedModel, LoneConversation) {
        let loaded = try LoadedModel(.reciting(line), context: context)
        return (loaded, try loaded.conversation())
    }

    private func answer(
        _ conversation: LoneConversation, _ prompt: [TokenID], _ options: GenerationOptions
    ) throws -> Answer {
        try conversation.answer([.tokens(prompt)], pictures: [], options: options)
    }

    // MARK: Why an answer ends

    @Test func endOfSequenceEndsAndIsNotPartOfTheAnswer() throws {
        let (_, conversation) = try reciting(tokens("a", "b", "c", "</s>"))
        let answer = try answer(conversation, [1] + tokens("a"), GenerationOptions())
        #expect(answer.stopReason == .endOfSequence)
        #expect(answer.tokens == tokens("b", "c") && answer.text == "bc")
        #expect(answer.statistics.generatedTokens == 2)
    }

    @Test func endOfSequenceCanBeIgnored() throws {
        let (_, conversation) = try reciting(tokens("a", "b", "c", "</s>"))
        let answer = try answer(
            conversation, tokens("a"),
            GenerationOptions(maxNewTokens: 9, ignoresEndOfSequence: true))
        #expect(answer.stopReason == .length && answer.tokens.count == 9)
        #expect(answer.tokens.prefix(2) == tokens("b", "c")[...])
        #expect(!answer.tokens.contains(TinyVocabulary.end))
    }

    @Test func aVocabularyOfEndsEndsEvenWhenIgnored() throws {
        var pair = TinyPair()
        pair.text["tokenizer.ggml.tokens"] = .strings(["</s>"])
        pair.text["tokenizer.ggml.scores"] = .float32s([0])
        pair.text["tokenizer.ggml.token_type"] = .int32s([3])
        pair.text["tokenizer.ggml.bos_token_id"] = nil
        pair.text["tokenizer.ggml.eos_token_id"] = .uint32(0)
        let answer = try answer(
            LoadedModel(pair).conversation(), [0], GenerationOptions(ignoresEndOfSequence: true))
        #expect(answer.stopReason == .endOfSequence && answer.tokens.isEmpty)
    }

    @Test func lengthEnds() throws {
        let (_, conversation) = try reciting(recital)
        let answer = try answer(conversation, tokens("a"), GenerationOptions(maxNewTokens: 3))
        #expect(answer.stopReason == .length && answer.text == "bcd")
        #expect(answer.statistics.cacheRows == 3)  // a, b, c: the last token was not run
    }

    @Test func stopStringsEndAndAreNotPartOfTheText() throws {
        let (_, conversation) = try reciting(recital)
        var pieces: [String] = []
        let answer = try conversation.answer(
            [.tokens(tokens("a"))], pictures: [],
            options: GenerationOptions(stopStrings: ["zz", "de"]),
            onText: { pieces.append($0) })
        #expect(answer.stopReason == .stopString && answer.text == "bc")
        #expect(pieces == ["b", "c"])
        #expect(answer.tokens == tokens("b", "c", "d", "e"))
    }

    @Test func heldTextComesOutAtTheEnd() throws {
        let (_, conversation) = try reciting(recital)
        var pieces: [String] = []
        let answer = try conversation.answer(
            [.tokens(tokens("a"))], pictures: [],
            options: GenerationOptions(maxNewTokens: 3, stopStrings: ["cdx"]),
            onText: { pieces.append($0) })
        #expect(answer.stopReason == .length && answer.text == "bcd")
        #expect(pieces == ["b", "cd"])
    }

    @Test func fullContextEnds() throws {
        let (_, conversation) = try reciting(recital, context: 6)
        let first = try answer(conversation, tokens("x", "y", "a"), GenerationOptions())
        #expect(first.stopReason == .context && first.text == "bcd")
        #expect(first.statistics.cacheRows == 5)
        #expect(
            throws: GenerationError.promptTooLong(rows: 1, visualRows: 0, used: 6, context: 6)
        ) {
            try answer(conversation, tokens("a"), GenerationOptions())
        }
    }

    @Test func thePromptLeavesOneRowForTheAnswer() throws {
        let (_, conversation) = try reciting(recital, context: 4)
        #expect(
            throws: GenerationError.promptTooLong(rows: 4, visualRows: 0, used: 0, context: 4)
        ) {
            try self.answer(conversation, tokens("x", "y", "z", "a"), GenerationOptions())
        }
        let answer = try answer(conversation, tokens("x", "y", "a"), GenerationOptions())
        #expect(answer.stopReason == .context && answer.text == "b")
    }

    @Test func charactersOfSeveralTokensComeWhole() throws {
        let bytes = tokens("a", "<0xC3>", "<0xA9>", "<0xE6>", "<0x97>", "<0xA5>", "b", "</s>")
        let (_, conversation) = try reciting(bytes)
        var pieces: [String] = []
        let answer = try conversation.answer(
            [.tokens(tokens("a"))], pictures: [], options: GenerationOptions(),
            onText: { pieces.append($0) })
        #expect(pieces == ["é", "日", "b"] && answer.text == "é日b")
        let (_, cut) = try reciting(bytes)
        let half = try self.answer(cut, tokens("a"), GenerationOptions(maxNewTokens: 4))
        #expect(half.text == "é\u{FFFD}")
    }

    @Test func theFirstSpaceOfAnAnswerIsDropped() throws {
        let (_, conversation) = try reciting(tokens("x", "\u{2581}a", "\u{2581}", "b", "</s>"))
        #expect(try answer(conversation, tokens("x"), GenerationOptions()).text == "a b")
    }

    // MARK: Refusals

    @Test func refusedPromptsCostNothingAndLeaveTheSessionUsable() throws {
        let loaded = try LoadedModel(TinyPair(), context: 20)
        let conversation = try loaded.conversation()
        let recorder = StageRecorder()
        let tiles = loaded.tiles(width: 30, height: 20)
        let many: [PromptPiece] = [.tokens(.init(repeating: 5, count: 16)), .picture(0)]
        let tooLong = GenerationError.promptTooLong(rows: 20, visualRows: 4, used: 0, context: 20)
        #expect(throws: tooLong) {
            try conversation.answer(
                many, pictures: [tiles], options: GenerationOptions(), recorder: recorder)
        }
        #expect(recorder.pixels.values.isEmpty && recorder.tokens.isEmpty && conversation.isEmpty)
        #expect(
            "\(tooLong)" == "the prompt takes 20 rows (4 of them visual tokens), which leaves no "
                + "room for an answer in a context of 20 rows; a longer context or fewer visual "
                + "tokens make room")
        #expect(throws: GenerationError.emptyPrompt) {
            try answer(conversation, [], GenerationOptions())
        }
        #expect(throws: GenerationError.pictureMismatch(inPrompt: 0, given: 1)) {
            try conversation.answer([.tokens([5])], pictures: [tiles], options: GenerationOptions())
        }
        var invalid = GenerationOptions()
        invalid.sampling.topK = -1
        #expect(throws: GenerationError.self) { try answer(conversation, [5], invalid) }
        #expect(conversation.isEmpty)

        let prompt: [PromptPiece] = [.tokens([1, 5]), .picture(0), .tokens([9])]
        let used = try conversation.answer(
            prompt, pictures: [tiles], options: GenerationOptions(maxNewTokens: 5))
        let fresh = try loaded.conversation().answer(
            prompt, pictures: [tiles], options: GenerationOptions(maxNewTokens: 5))
        #expect(used.tokens == fresh.tokens)
    }

    @Test func aTokenizerOfMoreTokensThanTheModelIsRefused() throws {
        var pair = TinyPair()
        let count = TinyVocabulary.pieces.count
        for name in ["token_embd.weight", "output.weight"] {
            pair.text.set(
                name, shape: [16, count - 1], floats: gaussians(name, (count - 1) * 16, 0.1))
        }
        let loaded = try LoadedModel(pair)
        #expect(
            throws: GenerationError.vocabularyMismatch(tokenizer: count, embeddings: count - 1)
        ) {
            try loaded.conversation()
        }
    }

    @Test func scoresBeyondTheTokenizersTokensAreNeverChosen() throws {
        var pair = TinyPair.reciting(recital)
        let count = TinyVocabulary.pieces.count + 3
        let extra = [Float](repeating: 9, count: 3 * 16)
        for name in ["token_embd.weight", "output.weight"] {
            pair.text.set(name, shape: [16, count], floats: pair.text.floats(name) + extra)
        }
        let answer = try answer(
            LoadedModel(pair).conversation(), tokens("a"), GenerationOptions(maxNewTokens: 4))
        #expect(answer.text == "bcde")
    }

    // MARK: Failures

    @Test func aModelThatFailsFailsAgainAndLeavesTheSessionEmpty() throws {
        let conversation = try LoadedModel(
            TinyPair.reciting(recital).damaged("output.weight", at: 5)
        ).conversation()
        for _ in 0..<2 {
            #expect(throws: GenerationError.model(.notFinite(place: "the output layer"))) {
                try answer(conversation, tokens("a"), GenerationOptions())
            }
            #expect(conversation.isEmpty)
        }
    }

    @Test func anAnswerThatFailsHalfWayIsForgotten() throws {
        // Reading d fails.
        let place = Int(TinyVocabulary.token("d")) * 16
        let conversation = try LoadedModel(
            TinyPair.reciting(recital).damaged("token_embd.weight", at: place)
        ).conversation()
        let first = try answer(conversation, tokens("a"), GenerationOptions(maxNewTokens: 2))
        #expect(first.text == "bc" && first.statistics.cacheRows == 2)
        #expect(throws: GenerationError.model(.notFinite(place: "decoder layer 0"))) {
            try answer(conversation, tokens("x", "b"), GenerationOptions())
        }
        // c of the first answer is still to be read, then this turn's token.
        let recorder = StageRecorder()
        let next = try conversation.answer(
            [.tokens(tokens("e"))], pictures: [], options: GenerationOptions(maxNewTokens: 1),
            recorder: recorder)
        #expect(recorder.tokens == tokens("c", "e") && recorder.positions == [2, 3])
        #expect(next.text == "f" && next.statistics.cacheRows == 4)
    }

    // MARK: Cancellation

    @Test func cancelledBeforeItsFirstTokenAPromptIsForgotten() throws {
        let loaded = try LoadedModel(TinyPair.reciting(recital))
        let conversation = try loaded.conversation()
        let cancellation = Cancellation()
        cancellation.cancel()
        let tiles = loaded.tiles(width: 9, height: 9)
        let prompts: [([PromptPiece], [TileBatch])] = [
            ([.tokens(tokens("a"))], []), ([.picture(0), .tokens(tokens("a"))], [tiles]),
        ]
        for (prompt, pictures) in prompts {
            let cancelled = try conversation.answer(
                prompt, pictures: pictures, options: GenerationOptions(),
                cancellation: cancellation)
            #expect(cancelled.stopReason == .cancelled)
            #expect(cancelled.tokens.isEmpty && cancelled.text.isEmpty && conversation.isEmpty)
        }
        let next = try answer(conversation, tokens("c"), GenerationOptions(maxNewTokens: 2))
        #expect(next.text == "de" && next.statistics.cacheRows == 2)
    }

    @Test func cancelledLaterTheAnswerSoFarStays() throws {
        let engine = try LoadedModel(.reciting(recital)).engine(parallel: 3)
        let before = try HeldNeighbour(on: engine)
        before.waitUntilHeld()
        // It comes after this answer in every step.
        var after: HeldNeighbour?
        let cancellation = Cancellation()
        var history = History()
        let first = try history.ask(
            [.tokens(tokens("a"))], [], GenerationOptions(), of: engine, cancellation: cancellation
        ) { event in
            switch event {
            case .queued:
                after = try? HeldNeighbour(on: engine)
                before.letGo()
            case .text("b"): after?.letOneStepGo()
            case .text:
                cancellation.cancel()
                after?.letGo()
            case .encoding, .reading, .finished: break
            }
        }
        #expect(first.stopReason == .cancelled)
        #expect(first.tokens == tokens("b", "c") && first.text == "bc")
        #expect(first.statistics.cacheRows == 2 && !history.isEmpty)
        let recorder = StageRecorder()
        let next = try history.ask(
            [.tokens(tokens("e"))], [], GenerationOptions(maxNewTokens: 1), of: engine,
            recorder: recorder)
        #expect(recorder.tokens == tokens("c", "e") && next.text == "f")
    }
}
