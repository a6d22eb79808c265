// SPDX-License-Identifier: Apache-2.0
import GGUF
import ModelTestSupport
import TensorOps
import TestSupport
import Testing

@testable import Decoder
@testable import Weights

/// The decoders of the Qwen-VLs, given the rows of pictures that transformers made.
@Suite struct QwenGoldenTests {
    static let cases = GoldenCase.all.filter { $0.model.hasPrefix("qwen") }

    /// What the decoder reads of all pictures: `[cells, pictureRowWidth]`.
    private func pictures(_ golden: GoldenCase, _ config: DecoderConfig) throws -> Activations {
        let (width, rowWidth) = (config.width, config.pictureRowWidth)
        guard let projected = try golden.stage("projected")?.floats else {
            return Activations(rows: 0, width: rowWidth)
        }
        let addends = try golden.stage("deepstack")?.floats ?? []  // [layers, cells, width]
        let planes = projected + addends
        #expect(planes.count == projected.count / width * rowWidth)
        let rows = Activations(rows: projected.count / width, width: rowWidth)
        for plane in 0...config.addendLayers {
            for cell in 0..<rows.rows {
                let first = (plane * rows.rows + cell) * width
                for column in 0..<width {
                    rows.row(cell)[plane * width + column] = planes[first + column]
                }
            }
        }
        return rows
    }

    /// The place of each row of the prompt, and then of the answer.
    private func positions(_ golden: GoldenCase, answer: Int) throws -> [Position] {
        let stored = try #require(try golden.stage("positions"))
        #expect(stored.shape[0] == 3)
        let count = stored.shape[1]
        let axes = (0..<3).map { Array(stored.int32s[($0 * count)..<(($0 + 1) * count)]) }
        let end = (stored.int32s.max() ?? -1) + 1
        return (0..<count).map {
            Position(time: axes[0][$0], row: axes[1][$0], column: axes[2][$0])
        }
            + (0..<answer).map { Position(Int(end) + $0) }
    }

    @Test(arguments: cases)
    func logitsAndTokensEqualTransformers(golden: GoldenCase) throws {
        let file = try GGUFFile(path: golden.textPath)
        let config = try DecoderConfig(file.metadata)
        let decoder = try Decoder(
            config, TensorLoader(file), context: golden.facts().context, testOps)
        let prompt = try #require(try golden.stage("tokens")).int32s
        let answer = try #require(try golden.stage("generated")).int32s
        let tokens = prompt + answer.dropLast()
        let pictures = try pictures(golden, config)

        let batch = DecoderBatch(decoder)
        batch.restart(rows: tokens.count)
        let pool = try CachePagePool(config, rows: tokens.count, format: .f32)
        let cache = try KeyValueCache(pool, rows: tokens.count)
        batch.append(
            positions: try positions(golden, answer: answer.count - 1)[...], to: cache)
        var cell = 0
        for (row, token) in tokens.enumerated() {
            if token >= 0 {
                decoder.embed(token, into: batch.hidden.row(row))
            } else {
                batch.write(pictures, row: cell, to: row)
                cell += 1
            }
        }
        #expect(cell == pictures.rows)
        try decoder.run(batch, cancellation: Cancellation())
        let logits = decoder.logits(batch, rows: Array((prompt.count - 1)..<tokens.count))
        let steps = try answer.indices.map { Array(try logits.row($0)) }

        let expected = try #require(try golden.stage("logits")).floats
        let error = relativeError(Array(steps.joined().prefix(expected.count)), expected)
        #expect(error <= 1e-4, "relative error \(error)")
        let best = steps.map { step in step.indices.max { step[$0] < step[$1] } ?? 0 }
        #expect(best.map { Int32($0) } == answer)
    }

    @Test func everyArchitectureIsCovered() throws {
        let architectures = try Set(
            Self.cases.map { try DecoderConfig(GGUFFile(path: $0.textPath).metadata).architecture })
        #expect(architectures.isSuperset(of: [.qwen3vl]))
    }
}
