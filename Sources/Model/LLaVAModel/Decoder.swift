// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// The text decoder: a stack of pre-norm transformer layers with a KV cache.
public final class Decoder: Sendable {
    /// Its shape.
    public let config: DecoderConfig
    /// Tokens that have an embedding row.
    public var vocabularySize: Int { weights.tokenEmbedding.outputs }

    private let weights: DecoderWeights
    private let ops: TensorOps

    init(_ config: DecoderConfig, _ weights: DecoderWeights, _ ops: TensorOps) {
        self.config = config
        self.weights = weights
        self.ops = ops
    }

    /// The embedding rows of some tokens, each below `vocabularySize`.
    public func embed(_ tokens: [Int32]) -> Activations {
        let rows = ops.activations(rows: tokens.count, width: config.width)
        for (row, token) in tokens.enumerated() {
            weights.tokenEmbedding.decode(rows: Int(token)..<(Int(token) + 1), into: rows.row(row))
        }
        return rows
    }

    /// Runs rows through all layers and appends their keys and values to `cache`.
    ///
    /// - Parameters:
    ///   - hidden: embedding rows of text tokens and of the picture; overwritten by the result.
    ///   - positions: the rotary embedding's position of each row.
    ///   - onProgress: called with the part that is done, 0 to 1.
    /// - Throws: `ModelError.notFinite`, `ModelError.cancelled`; the cache then keeps its rows.
    public func run(
        _ hidden: Activations, at positions: [Int32], cache: KeyValueCache,
        cancellation: Cancellation, onProgress: (Double) -> Void = { _ in }
    ) throws(ModelError) {
        precondition(hidden.rows == positions.count && hidden.width == config.width)
        precondition(cache.rowCount + hidden.rows <= cache.capacity)
        let angles = weights.rotary.angles(at: positions)
        for (index, layer) in weights.layers.enumerated() {
            try cancellation.check()
            let attended = attention(
                layer, index, normed(hidden, layer.attentionNorm), angles, cache)
            ops.add(attended, to: hidden)
            ops.add(feedForward(layer, normed(hidden, layer.feedForwardNorm)), to: hidden)
            guard hidden.isFinite else { throw .notFinite(place: "decoder layer \(index)") }
            onProgress(Double(index + 1) / Double(weights.layers.count))
        }
        cache.commit(rows: hidden.rows)
    }

    /// The next token's scores after each of the given rows, which have passed all layers.
    public func logits(_ hidden: Activations) throws(ModelError) -> Activations {
        let logits = ops.linear(weights.output, normed(hidden, weights.outputNorm))
        guard logits.isFinite else { throw .notFinite(place: "the output layer") }
        return logits  // [rows, vocabulary]
    }

    private func normed(_ hidden: Activations, _ weight: [Float]) -> Activations {
        ops.rmsNorm(hidden, weight: weight, epsilon: config.epsilon)
    }

    private func attention(
        _ layer: DecoderLayer, _ index: Int, _ input: Activations,
        _ angles: (cosines: Activations, sines: Activations), _ cache: KeyValueCache
    ) -> Activations {
        let projected = ops.linear([layer.query, layer.key, layer.value], input)
        let (query, key, value) = (projected[0], projected[1], projected[2])
        for heads in [query, key] {
            ops.rotate(
                heads, headWidth: config.attention.headWidth, weights.rotary.pairing,
                cosines: angles.cosines, sines: angles.sines)
        }
        let (keys, values) = cache.layers[index]
        keys.write(key, at: cache.rowCount, ops.kernels)
        values.write(value, at: cache.rowCount, ops.kernels)
        let attended = ops.attention(
            query, keys: .cached(keys), values: .cached(values),
            tokens: cache.rowCount + input.rows, config.attention,
            mask: .causal(firstRow: cache.rowCount))
        return ops.linear(layer.attentionOutput, attended)
    }

    private func feedForward(_ layer: DecoderLayer, _ input: Activations) -> Activations {
        let projected = ops.linear([layer.gate, layer.up], input)
        ops.multiplySiLU(projected[0], by: projected[1])
        return ops.linear(layer.down, projected[0])
    }
}
