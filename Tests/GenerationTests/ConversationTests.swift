// SPDX-License-Identifier: Apache-2.0
import Pictures
import TensorOps
import TestSupport
import Testing
import Tokenization

@testable import Generation

/// Turns on one KV cache, held against the same sequence in one prompt.
@Suite struct ConversationTests {
    private let options = GenerationOptions(maxNewTokens: 6, ignoresEndOfSequence: true)

    private func anyresPair(_ architecture: String = "llama") -> TinyPair {
        var model = TinyModel()
        model.architecture = architecture
        model.pinpoints = [28, 56, 56, 28]
        return TinyPair(model)
    }

    @Test(arguments: ["llama", "qwen2", "phi3"])
    func twoTurnsAreOneLongPrompt(architecture: String) throws {
        let loaded = try LoadedModel(anyresPair(architecture))
        let (wide, tall) = (
            loaded.tiles(width: 40, height: 20, seed: 1),
            loaded.tiles(width: 11, height: 30, seed: 2)
        )
        let conversation = try loaded.conversation()
        let firstPrompt: [PromptPiece] = [.tokens([1, 270]), .picture(0), .tokens([263, 280])]
        let secondPrompt: [PromptPiece] = [.tokens([271]), .picture(0), .tokens([90, 265])]
        let (firstRecorder, secondRecorder) = (StageRecorder(), StageRecorder())
        let first = try conversation.answer(
            firstPrompt, pictures: [wide], options: options, recorder: firstRecorder)
        let second = try conversation.answer(
            secondPrompt, pictures: [tall], options: options, recorder: secondRecorder)

        let together = StageRecorder()
        let prompt =
            firstPrompt + [.tokens(first.tokens + [271]), .picture(1), .tokens([90, 265])]
        let answer = try loaded.conversation().answer(
            prompt, pictures: [wide, tall], options: options, recorder: together)
        #expect(second.tokens == answer.tokens)
        #expect(
            relativeError(secondRecorder.logits.values, together.logits.values) < 1e-5)
        // The last token of the first answer is read with the second prompt.
        let read = firstRecorder.tokens + first.tokens.dropLast()
        #expect(read + secondRecorder.tokens == together.tokens)
        #expect(
            secondRecorder.positions
                == (read.count..<together.tokens.count).map { Position($0) })
        #expect(second.statistics.cacheRows == answer.statistics.cacheRows)
        #expect(
            firstRecorder.projected.values + secondRecorder.projected.values
                == together.projected.values)
    }

    @Test func severalTurnsSeeAllBefore() throws {
        let loaded = try LoadedModel(TinyPair())
        let conversation = try loaded.conversation()
        var sequence: [TokenID] = []
        for turn in 0..<4 {
            let prompt = (0..<3).map { TokenID(20 + 30 * turn + 7 * $0) }
            let answer = try conversation.answer(
                [.tokens(prompt)], pictures: [], options: options)
            sequence += prompt
            let fresh = try loaded.conversation().answer(
                [.tokens(sequence)], pictures: [], options: options)
            #expect(answer.tokens == fresh.tokens)
            #expect(answer.statistics.cacheRows == sequence.count + answer.tokens.count - 1)
            sequence += answer.tokens
        }
    }

    @Test func recordedStagesHaveTheirShapes() throws {
        let loaded = try LoadedModel(anyresPair())
        let pictures = [
            loaded.tiles(width: 40, height: 20), loaded.tiles(width: 11, height: 30),
        ]
        let recorder = StageRecorder()
        let answer = try loaded.conversation().answer(
            [.tokens([1]), .picture(0), .picture(1), .tokens([263])], pictures: pictures,
            options: options, recorder: recorder)
        // 56 × 28 and 28 × 56: three tiles each with the base, 4 patches per tile.
        let visual = pictures.map(\.plan.rows.count)
        #expect(recorder.pixels.shape == [6, 3, 28, 28])
        #expect(recorder.features.shape == [6, 4, 16])
        #expect(recorder.projected.shape == [visual.reduce(0, +), 16])
        #expect(recorder.logits.shape == [6, TinyVocabulary.pieces.count])
        for tensor in [recorder.pixels, recorder.features, recorder.projected, recorder.logits] {
            #expect(tensor.values.count == tensor.shape.reduce(1, *))
        }
        let rows = visual.reduce(2, +)
        #expect(recorder.tokens == [1] + .init(repeating: -1, count: rows - 2) + [263])
        #expect(recorder.positions == (0..<rows).map { Position($0) })
        #expect(recorder.generated == answer.tokens && answer.tokens.count == 6)
        #expect(answer.statistics.promptRows == rows)
        #expect(answer.statistics.visualRows == rows - 2)
        #expect(answer.statistics.cacheRows == rows + 5)
        // 2 layers of 8 key and 8 value numbers, 4 bytes each.
        #expect(answer.statistics.cacheBytes == (rows + 5 + 15) / 16 * 16 * 2 * 16 * 4)
    }

    @Test func picturesStandWhereThePromptPutsThem() throws {
        let loaded = try LoadedModel(TinyPair())
        let (one, two) = (
            loaded.tiles(width: 9, height: 9, seed: 1), loaded.tiles(width: 9, height: 9, seed: 2)
        )
        func logits(_ order: [Int], _ pictures: [TileBatch]) throws -> [Float] {
            let recorder = StageRecorder()
            _ = try loaded.conversation().answer(
                [.tokens([1])] + order.map { .picture($0) } + [.tokens([263])],
                pictures: pictures, options: GenerationOptions(maxNewTokens: 1),
                recorder: recorder)
            return recorder.logits.values
        }
        let expected = try logits([0, 1], [one, two])
        #expect(try logits([1, 0], [two, one]) == expected)
        #expect(relativeError(try logits([1, 0], [one, two]), expected) > 1e-3)
    }

    @Test func samplingIsReproducible() throws {
        let loaded = try LoadedModel(TinyPair())
        func run(seed: UInt64) throws -> [TokenID] {
            var sampled = options
            sampled.maxNewTokens = 40
            sampled.sampling = SamplingOptions(
                temperature: 1.5, topK: 0, topP: 1, minP: 0, seed: seed)
            return try loaded.conversation().answer(
                [.tokens([1, 263])], pictures: [], options: sampled
            ).tokens
        }
        let first = try run(seed: 3)
        #expect(try run(seed: 3) == first)
        #expect(try run(seed: 4) != first)
    }
}
