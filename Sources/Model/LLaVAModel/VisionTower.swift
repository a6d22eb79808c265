// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// A CLIP vision transformer (arXiv 2103.00020) up to the layer that LLaVA reads.
public final class VisionTower: Sendable {
    /// Its shape.
    public let config: VisionConfig

    private let weights: VisionWeights
    private let ops: TensorOps
    /// Whether attention multiplies bfloat16 numbers.
    private let roundsAttention: Bool

    init(
        _ config: VisionConfig, _ weights: VisionWeights, _ precision: VisionPrecision,
        _ ops: TensorOps
    ) {
        self.config = config
        self.weights = weights
        self.ops = ops
        roundsAttention = precision != .float && ops.prefersBrainFloatAttention(config.attention)
    }

    /// The same tower, computing on other threads.
    init(_ tower: VisionTower, computingBy ops: TensorOps) {
        (config, weights, self.ops) = (tower.config, tower.weights, ops)
        roundsAttention = tower.roundsAttention
    }

    /// The features of one tile's patches, without the class token's.
    ///
    /// - Parameters:
    ///   - pixels: a normalised tile `[3, side, side]`, in memory that lies side by side.
    ///   - onProgress: called with the part that is done, 0 to 1.
    ///   - onClassAttention: called with how much the class token attends to each patch in the
    ///     last block that runs, summed over the heads: `[patches]`.
    /// - Returns: `[patches, featureWidth]`, patches in raster order.
    /// - Throws: `ModelError.notFinite`, `ModelError.cancelled`.
    public func features(
        _ pixels: some Collection<Float>, cancellation: Cancellation,
        onProgress: (Double) -> Void = { _ in },
        onClassAttention: (([Float]) -> Void)? = nil
    ) throws(ModelError) -> Activations {
        let hidden = ops.layerNorm(embed(pixels), weights.preNorm, epsilon: config.epsilon)
        let features = ops.activations(rows: config.patchCount, width: config.featureWidth)
        collect(hidden, ofLayer: 0, into: features)
        for (index, block) in weights.blocks.enumerated() {
            try cancellation.check()
            let isLast = index == weights.blocks.count - 1
            run(block, on: hidden, isLast ? onClassAttention : nil)
            guard hidden.isFinite else { throw .notFinite(place: "vision block \(index)") }
            collect(hidden, ofLayer: index + 1, into: features)
            onProgress(Double(index + 1) / Double(weights.blocks.count))
        }
        return features
    }

    /// The class token, then the patches, each plus its position.
    private func embed(_ pixels: some Collection<Float>) -> Activations {
        let patches = ops.linear(weights.patchEmbedding, flattenedPatches(pixels))
        let hidden = ops.activations(rows: 1 + patches.rows, width: config.width)
        hidden.row(0).update(from: weights.classEmbedding, count: config.width)
        hidden.row(1).update(from: patches.values, count: patches.rows * config.width)
        ops.kernels.add(hidden.values, weights.positionEmbedding, hidden.rows * config.width)
        return hidden
    }

    /// One row per patch: its pixels in the order of the convolution's kernel.
    private func flattenedPatches(_ pixels: some Collection<Float>) -> Activations {
        let (side, tile) = (config.patchSide, config.tileSide)
        precondition(pixels.count == 3 * tile * tile)
        let perSide = tile / side
        let rows = ops.activations(rows: perSide * perSide, width: 3 * side * side)
        let hasCopied: Void? = pixels.withContiguousStorageIfAvailable { source in
            guard let base = source.baseAddress else { return }
            for patch in 0..<rows.rows {
                let (top, left) = (patch / perSide * side, patch % perSide * side)
                for line in 0..<(3 * side) {
                    let (channel, y) = (line / side, top + line % side)
                    (rows.row(patch) + line * side).update(
                        from: base + (channel * tile + y) * tile + left, count: side)
                }
            }
        }
        precondition(hasCopied != nil, "pixels lie side by side")
        return rows
    }

    private func run(
        _ block: VisionBlock, on hidden: Activations, _ onClassAttention: (([Float]) -> Void)?
    ) {
        let attended = attention(block, normed(hidden, block.attentionNorm), onClassAttention)
        ops.add(attended, to: hidden)
        ops.add(feedForward(block, normed(hidden, block.feedForwardNorm)), to: hidden)
    }

    private func normed(_ hidden: Activations, _ norm: LayerNorm) -> Activations {
        ops.layerNorm(hidden, norm, epsilon: config.epsilon)
    }

    private func attention(
        _ block: VisionBlock, _ input: Activations, _ onClassAttention: (([Float]) -> Void)?
    ) -> Activations {
        let projected = ops.linear([block.query, block.key, block.value], input)
        if let onClassAttention {
            let weights = ops.attentionWeights(
                ofRow: 0, projected[0], keys: projected[1], config.attention)
            onClassAttention(Array(weights.dropFirst()))
        }
        let (query, key, value) = (projected[0], projected[1], projected[2])
        let attended =
            roundsAttention
            ? ops.brainFloatAttention(query, keys: key, values: value, config.attention)
            : ops.attention(query, keys: key, values: value, config.attention)
        return ops.linear(block.attentionOutput, attended)
    }

    private func feedForward(_ block: VisionBlock, _ input: Activations) -> Activations {
        let inner = ops.linear(block.expand, input)
        ops.apply(config.activation, to: inner)
        return ops.linear(block.contract, inner)
    }

    /// Copies the patches' hidden states to the columns that `layer` has in the features.
    private func collect(_ hidden: Activations, ofLayer layer: Int, into features: Activations) {
        for (place, wanted) in config.featureLayers.enumerated() where wanted == layer {
            for patch in 0..<features.rows {
                (features.row(patch) + place * config.width)
                    .update(from: hidden.row(patch + 1), count: config.width)
            }
        }
    }
}
