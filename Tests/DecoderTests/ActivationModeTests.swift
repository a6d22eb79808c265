// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import GGUF
import KernelInterface
import Kernels
import ModelTestSupport
import TensorOps
import TestSupport
import Testing
import WorkerPool

@testable import Decoder
@testable import Weights

/// Tables that compute the same in different ways: the fastest one and plain loops.
private let tables = [KernelTable.available[0].name, "reference"]

private func operations(_ table: String, _ mode: ActivationMode) throws -> TensorOps {
    TensorOps(
        kernels: try KernelTable.named(table), pool: WorkerPool(threadCount: 2),
        activationMode: mode)
}

/// Root-mean-square of the differences over that of the expected numbers.
private func error(_ found: [Float], _ expected: [Float]) -> Float {
    guard found.count == expected.count else { return .infinity }
    func power(_ numbers: some Sequence<Float>) -> Float { numbers.reduce(0) { $0 + $1 * $1 } }
    return (power(zip(found, expected).map { $0 - $1 }) / power(expected)).squareRoot()
}

/// The token with the best score of each row.
private func bestTokens(_ scores: [Float], vocabulary: Int) -> [Int] {
    stride(from: 0, to: scores.count, by: vocabulary).compactMap { start in
        (0..<vocabulary).max { scores[start + $0] < scores[start + $1] }
    }
}

/// The effect of rounded activations on a whole decoder.
@Suite struct ActivationModeTests {
    private static let tokens: [Int32] = {
        var random = SeededGenerator(seed: 4)
        return (0..<48).map { _ in
            Int32.random(in: 3..<Int32(TinyVocabulary.pieces.count), using: &random)
        }
    }()

    @Test(arguments: BlockFormat.allCases.filter { $0.blockLength > 1 })
    func roundedActivationsChangeScoresLittle(format: BlockFormat) throws {
        let pair = TinyPair(TinyModel(textFormat: format, projectorFormat: .f32))
        let exact = try pair.load(operations("reference", .float)).logits(Self.tokens)
        func best(_ logits: [Float]) -> [Int] {
            bestTokens(logits, vocabulary: TinyVocabulary.pieces.count)
        }
        for mode in [ActivationMode.per32, .pow2] {
            var found: [[Float]] = []
            for table in tables {
                let logits = try pair.load(operations(table, mode)).logits(Self.tokens)
                #expect(error(logits, exact) < 0.03)
                #expect(zip(best(logits), best(exact)).count { $0 == $1 } >= 44)
                found.append(logits)
            }
            // Sums in another order may round an activation to the next byte, as rounding itself does.
            #expect(error(found[0], found[1]) < error(found[0], exact) + 1e-5)
        }
    }
}

/// Golden decoders with their matrices rounded to bytes, against what transformers computes with the
/// matrices as they were.
@Suite struct RoundedGoldenDecoderTests {
    /// The golden models whose matrices have rows of whole blocks of 32.
    private static let cases = GoldenCase.all.filter { $0.model == "llava-1.5-mha" }

    /// The matrix in Q8_0.
    private func roundedToBytes(_ matrix: WeightMatrix) -> WeightMatrix {
        let count = matrix.outputs * matrix.inputs
        var values = [Float](repeating: 0, count: count)
        matrix.decode(rows: 0..<matrix.outputs, into: &values)
        let storage = Activations(rows: 1, width: BlockFormat.q8_0.byteCount(of: count) / 4 + 1)
        encodeQ8_0(&values, count: count, into: storage.values)
        return WeightMatrix(
            name: matrix.name, format: .q8_0, outputs: matrix.outputs, inputs: matrix.inputs,
            bytes: UnsafeRawPointer(storage.values), owner: storage)
    }

    private func decoder(_ golden: GoldenCase, _ ops: TensorOps) throws -> Decoder {
        let file = try GGUFFile(path: golden.textPath)
        let config = try DecoderConfig(file.metadata)
        let loader = TensorLoader(file)
        let weights = try loader.decoderWeights(
            config, context: try golden.facts().context, ops)
        func rounded(_ layer: LinearLayer) throws -> LinearLayer {
            let matrix = roundedToBytes(layer.weight)
            return LinearLayer(
                weight: matrix, bias: layer.bias,
                packed: ops.activationMode == .float ? nil : try ops.pack(matrix))
        }
        let layers = try weights.layers.map { layer in
            DecoderLayer(
                config: layer.config, rotary: layer.rotary,
                attentionNorm: layer.attentionNorm,
                queryKeyValue: try layer.queryKeyValue.map(rounded),
                queryNorm: layer.queryNorm, keyNorm: layer.keyNorm,
                attentionOutput: try rounded(layer.attentionOutput),
                feedForwardNorm: layer.feedForwardNorm,
                gateAndUp: try layer.gateAndUp.map(rounded), down: try rounded(layer.down))
        }
        return Decoder(
            config,
            DecoderWeights(
                tokenEmbedding: weights.tokenEmbedding, layers: layers,
                outputNorm: weights.outputNorm, output: try rounded(weights.output),
                rotaries: weights.rotaries),
            ops)
    }

    /// The scores of each step of the recorded answer, given the recorded tokens before it.
    private func logits(_ golden: GoldenCase, _ ops: TensorOps) throws -> Activations {
        let decoder = try decoder(golden, ops)
        let prompt = try #require(try golden.stage("tokens")).int32s
        let answer = try #require(try golden.stage("generated")).int32s
        let projected = try #require(try golden.stage("projected")).floats
        let tokens = prompt + answer.dropLast()
        let hidden = decoder.embed(tokens.map { max($0, 0) })
        let visual = tokens.indices.filter { tokens[$0] < 0 }
        for (place, row) in visual.enumerated() {
            for column in 0..<hidden.width {
                hidden.row(row)[column] = projected[place * hidden.width + column]
            }
        }
        let cache = try KeyValueCache(
            CachePagePool(decoder.config, rows: tokens.count, format: .f32), rows: tokens.count)
        let logits = try decoder.logits(hidden, at: tokens.indices.map { Position($0) }, cache)
        return Activations(
            logits[(prompt.count - 1)...].flatMap(\.self), width: decoder.vocabularySize)
    }

    @Test(arguments: ActivationMode.allCases, tables)
    func answersStayThoseOfTransformers(mode: ActivationMode, table: String) throws {
        let (ops, exactOps) = (try operations(table, mode), try operations("reference", .float))
        var (steps, same) = (0, 0)
        var (worst, worstToFloat): (Float, Float) = (0, 0)
        for golden in Self.cases {
            let found = try logits(golden, ops)
            let generated = try #require(try golden.stage("generated")).int32s
            let expected = try #require(try golden.stage("logits")).floats
            worst = max(worst, error(Array(found.array.prefix(expected.count)), expected))
            worstToFloat = max(worstToFloat, error(found.array, try logits(golden, exactOps).array))
            same += zip(bestTokens(found.array, vocabulary: found.width), generated)
                .count { $0 == Int($1) }
            steps += generated.count
        }
        // Rounding these tiny matrices alone makes 0.036 of it, and 437 of 448 steps.
        #expect(worst < 0.1)
        #expect(same >= steps * 95 / 100)
        #expect(worstToFloat < 0.03)
    }
}
