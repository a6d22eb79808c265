// SPDX-License-Identifier: Apache-2.0
import Decoder
import TensorOps
import TestSupport
import Testing
import TokenPruning
import Tokenization
import Weights

@testable import Generation

@Suite struct PruningTests {
    private struct Run {
        let answer: Answer
        let recorder: StageRecorder
        let loaded: LoadedModel
    }

    private func golden(_ model: String, _ name: String) throws -> GoldenCase {
        try #require(GoldenCase.all.first { $0.model == model && $0.name == name })
    }

    private func run(
        _ golden: GoldenCase, _ pruning: PruningOptions?, tokens: Int = 8
    ) throws -> Run {
        let loaded = try LoadedModel(golden)
        let tiles = try loaded.tiles(golden)
        let conversation = try LoneConversation(loaded, cacheFormat: .f32)
        let recorder = StageRecorder()
        let answer = try conversation.answer(
            try loaded.prompt(golden, tiles), pictures: tiles,
            question: loaded.tokenizer.encode("What is in the picture?"),
            options: GenerationOptions(
                maxNewTokens: tokens, ignoresEndOfSequence: true, pruning: pruning),
            recorder: recorder)
        return Run(answer: answer, recorder: recorder, loaded: loaded)
    }

    @Test(arguments: TokenSelectors.names, GoldenCase.all.filter { $0.model != "llava-phi3" })
    func keepingEverythingChangesNothing(selector: String, golden: GoldenCase) throws {
        let pruned = try run(
            golden,
            PruningOptions(budget: .percent(100), selector: selector, merging: .weighted), tokens: 4
        )
        let unpruned = try run(golden, nil, tokens: 4)
        #expect(pruned.recorder.logits.values == unpruned.recorder.logits.values)
        #expect(pruned.recorder.positions == unpruned.recorder.positions)
        #expect(pruned.answer.tokens == unpruned.answer.tokens)
    }

    /// Attention comes from the encoder where the merging alone looks at it.
    @Test(arguments: TokenMerging.allCases)
    func everyMergingFollowsASelectorWithoutNeeds(merging: TokenMerging) throws {
        let golden = try golden("llava-1.5-mha", "landscape-pad")
        let pruning = PruningOptions(budget: .count(7), selector: "uniform", merging: merging)
        #expect(try run(golden, pruning).answer.tokens.count == 8)
    }

    @Test(arguments: TokenSelectors.names, [PruningOptions.Positions.original, .compact])
    func onlyKeptRowsEnterTheDecoder(
        selector: String, positions: PruningOptions.Positions
    ) throws {
        for golden in [
            try golden("llava-1.5-mha", "landscape-pad"),
            try golden("llava-next-mistral", "landscape-anyres"),
        ] {
            let pruning = PruningOptions(
                budget: .count(5), selector: selector, positions: positions)
            let run = try run(golden, pruning)
            let selection = run.answer.selections[0]
            #expect(selection.keptPatches.count == 5)
            #expect(selection.keptRows == selection.keptRows.sorted())

            // The prompt by its definition: text rows, and the kept rows of the packed picture.
            let unpruned = try #require(try golden.stage("tokens")).int32s
            let first = try #require(unpruned.firstIndex(of: PromptLayout.visualToken))
            let keptRows = Set(selection.keptRows.map { first + $0 })
            let rows = unpruned.indices.filter {
                unpruned[$0] != PromptLayout.visualToken || keptRows.contains($0)
            }
            #expect(run.recorder.tokens == rows.map { unpruned[$0] })
            let expected = positions == .original ? rows : Array(rows.indices)
            #expect(run.recorder.positions == expected.map { Position($0) })

            // Its scores by the decoder alone.
            let model = run.loaded.model
            let packed = try #require(try golden.stage("projected"))
            let hidden = model.decoder.embed(rows.map { max(0, unpruned[$0]) })
            for (row, source) in rows.enumerated() where keptRows.contains(source) {
                let start = (source - first) * hidden.width
                for column in 0..<hidden.width {
                    hidden.row(row)[column] = packed.floats[start + column]
                }
            }
            let cache = try KeyValueCache(
                CachePagePool(model.decoder.config, rows: rows.count, format: .f32),
                rows: rows.count)
            let batch = DecoderBatch(model.decoder)
            batch.restart(rows: rows.count)
            batch.append(positions: expected.map { Position($0) }[...], to: cache)
            batch.hidden.row(0).update(from: hidden.values, count: rows.count * hidden.width)
            try model.decoder.run(batch, cancellation: Cancellation())
            let logits = Array(
                try model.decoder.logits(batch, rows: [rows.count - 1]).row(0))
            let recorded = Array(run.recorder.logits.values.prefix(logits.count))
            #expect(relativeError(recorded, logits) < 1e-4)
        }
    }

    @Test func statisticsTellWhatPruningSaves() throws {
        let golden = try golden("llava-1.5-mha", "landscape-pad")
        let pruned = try run(golden, PruningOptions(budget: .count(3))).answer.statistics
        let unpruned = try run(golden, nil).answer.statistics
        #expect(unpruned.visualRows == 16 && unpruned.unprunedVisualRows == 16)
        #expect(pruned.visualRows == 3 && pruned.unprunedVisualRows == 16)
        #expect(pruned.promptRows == unpruned.promptRows - 13)
        #expect(pruned.cacheRows == unpruned.cacheRows - 13)
        #expect(pruned.unprunedCacheBytes == unpruned.cacheBytes)
        #expect(pruned.cacheBytes < unpruned.cacheBytes)
    }

    @Test func newlinesFollowTheirGridRow() throws {
        let run = try run(
            try golden("llava-next-mistral", "landscape-anyres"),
            PruningOptions(budget: .count(20), selector: "uniform"))
        let selection = run.answer.selections[0]
        let plan = try run.loaded.tiles(try golden("llava-next-mistral", "landscape-anyres"))[0]
            .plan
        let kept = Set(selection.keptRows)
        var rowIsKept = false
        var newlines = 0
        for (index, row) in plan.rows.enumerated() where index >= 16 {
            switch row {
            case .cell: rowIsKept = rowIsKept || kept.contains(index)
            case .newline:
                #expect(kept.contains(index) == rowIsKept)
                newlines += rowIsKept ? 1 : 0
                rowIsKept = false
            case .token: Issue.record("LLaVA-NeXT has no tokens in its pictures")
            }
        }
        #expect(newlines == selection.keptNewlineCount && newlines > 0)
    }

    /// Twelve pictures of 16 rows take 192 positions, of which the pruned prompt uses few rows.
    @Test func positionsStayWithinTheTrainedContext() throws {
        let golden = try golden("llava-1.5-mha", "landscape-pad")
        let loaded = try LoadedModel(
            text: golden.textPath, projector: golden.projectorPath, context: nil)
        let trained = loaded.model.decoder.config.contextLength
        let pictures = trained / 16 + 1
        let tile = try loaded.tiles(golden)[0]
        let prompt =
            [PromptPiece.tokens([1])] + (0..<pictures).map { .picture($0) }
            + [.tokens([300, 301])]
        func answer(_ positions: PruningOptions.Positions) throws -> Answer {
            let conversation = try LoneConversation(loaded)
            return try conversation.answer(
                prompt, pictures: Array(repeating: tile, count: pictures),
                options: GenerationOptions(
                    maxNewTokens: 4, ignoresEndOfSequence: true,
                    pruning: PruningOptions(
                        budget: .count(1), selector: "uniform", positions: positions)))
        }
        #expect(try answer(.automatic).statistics.usesCompactPositions)
        #expect(try answer(.compact).statistics.usesCompactPositions)
        #expect {
            try answer(.original)
        } throws: { error in
            guard case GenerationError.positionsTooLarge = error else { return false }
            return true
        }
    }

    @Test func theNextTurnContinuesAtTheUnprunedPosition() throws {
        let golden = try golden("llava-1.5-mha", "landscape-pad")
        let loaded = try LoadedModel(golden)
        let tiles = try loaded.tiles(golden)
        let conversation = try LoneConversation(loaded, cacheFormat: .f32)
        let options = GenerationOptions(
            maxNewTokens: 3, ignoresEndOfSequence: true,
            pruning: PruningOptions(budget: .count(2), selector: "uniform"))
        _ = try conversation.answer(
            try loaded.prompt(golden, tiles), pictures: tiles, options: options)
        let recorder = StageRecorder()
        _ = try conversation.answer(
            [.tokens([300, 301])], pictures: [], options: options, recorder: recorder)
        // 48 unpruned rows, two evaluated tokens of the answer, then its pending third.
        #expect(recorder.positions == [50, 51, 52])
        #expect(recorder.tokens.suffix(2) == [300, 301])
    }
}
