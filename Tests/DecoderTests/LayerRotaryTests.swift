// SPDX-License-Identifier: Apache-2.0
import GGUF
import ModelTestSupport
import TensorOps
import TestSupport
import Testing

@testable import Decoder
@testable import Weights

/// Layers whose rotary embeddings differ.
@Suite struct LayerRotaryTests {
    private static let positions: [Position] = [0, 3, 4, 9, 40]

    /// The weights of a model with two layers, whose embeddings have the given base frequencies.
    private func weights(bases: [Float]) throws -> (DecoderConfig, DecoderWeights) {
        try TinyPair().withPaths { text, _ in
            let file = try GGUFFile(path: text)
            let config = try DecoderConfig(file.metadata)
            let stored = try TensorLoader(file).decoderWeights(config, context: 64, testOps)
            #expect(stored.rotaries.count == 1 && stored.layers.map(\.rotary) == [0, 0])
            let rotaries = bases.map {
                RotaryEmbedding(
                    pairing: stored.rotaries[0].pairing,
                    rotatedWidth: config.layers[0].rotary.rotatedWidth, base: $0)
            }
            let layers = zip(stored.layers, bases.indices).map { $0.rotating(by: $1) }
            return (config, stored.with(layers, rotaries))
        }
    }

    /// Runs some layers over `hidden`, `[positions, width]`.
    private func run(
        _ config: DecoderConfig, _ weights: DecoderWeights, over hidden: [Float]
    ) throws -> [Float] {
        let decoder = Decoder(config, weights, testOps)
        let batch = DecoderBatch(decoder)
        batch.restart(rows: Self.positions.count)
        let rows = Self.positions.count
        let cache = try KeyValueCache(
            CachePagePool(config, rows: rows, format: .f32), rows: rows)
        batch.append(positions: Self.positions[...], to: cache)
        batch.hidden.values.update(from: hidden, count: hidden.count)
        try decoder.run(batch, cancellation: Cancellation())
        return Array(UnsafeBufferPointer(start: batch.hidden.values, count: hidden.count))
    }

    @Test func everyLayerRotatesByItsOwn() throws {
        let (config, weights) = try weights(bases: [10_000, 7])
        let start = Decoder(config, weights, testOps).embed([265, 270, 261, 268, 266])
        let embedded = Array(
            UnsafeBufferPointer(start: start.values, count: start.rows * start.width))
        let together = try run(config, weights, over: embedded)
        // One layer after the other, each in a decoder of its own.
        var apart = embedded
        for (layer, rotary) in zip(weights.layers, weights.rotaries) {
            let lone = weights.with([layer.rotating(by: 0)], [rotary])
            apart = try run(config, lone, over: apart)
        }
        #expect(together == apart)
        let (_, equal) = try self.weights(bases: [10_000, 10_000])
        #expect(try run(config, equal, over: embedded) != together)
    }
}

extension DecoderLayer {
    fileprivate func rotating(by rotary: Int) -> DecoderLayer {
        DecoderLayer(
            config: config, rotary: rotary, attentionNorm: attentionNorm,
            queryKeyValue: queryKeyValue, queryNorm: queryNorm, keyNorm: keyNorm,
            attentionOutput: attentionOutput, feedForwardNorm: feedForwardNorm,
            gateAndUp: gateAndUp, down: down)
    }
}

extension DecoderWeights {
    fileprivate func with(
        _ layers: [DecoderLayer], _ rotaries: [RotaryEmbedding]
    ) -> DecoderWeights {
        DecoderWeights(
            tokenEmbedding: tokenEmbedding, layers: layers, outputNorm: outputNorm, output: output,
            rotaries: rotaries)
    }
}
