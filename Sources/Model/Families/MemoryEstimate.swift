// SPDX-License-Identifier: Apache-2.0
import GGUF
import TensorOps

/// The memory that a run needs, by formula.
public struct MemoryEstimate: Sendable, Equatable {
    /// The weights of both files.
    public let weights: WeightMemory
    /// KV cache rows of one sequence that fills its context.
    public let cacheRowsPerSequence: Int
    /// The same without pruning.
    public let unprunedCacheRowsPerSequence: Int
    /// Bytes of one KV cache row in all layers.
    public let bytesPerCacheRow: Int
    /// Sequences in flight.
    public let sequences: Int
    /// Activations of the largest step: a batch of the decoder, or one tile in the vision tower.
    public let activationBytes: Int

    /// KV cache of all sequences.
    public var cacheBytes: Int {
        boundedProduct(sequences, cacheRowsPerSequence, bytesPerCacheRow)
    }
    /// The same without pruning.
    public var unprunedCacheBytes: Int {
        boundedProduct(sequences, unprunedCacheRowsPerSequence, bytesPerCacheRow)
    }
    /// Everything together.
    public var totalBytes: Int { weights.byteCount + cacheBytes + activationBytes }

    /// The memory of `sequences` sequences of up to `context` rows.
    ///
    /// - Parameters:
    ///   - visualTokens: rows of one unpruned picture.
    ///   - keptTokens: rows of it that stay when visual tokens are pruned; nil for all.
    ///   - promptRowsPerBatch: most rows of prompts in a batch, to which every sequence adds a token.
    public init(
        text: DecoderConfig, vocabulary: Int, vision: VisionConfig?, weights: WeightMemory,
        context: Int, visualTokens: Int, keptTokens: Int?, sequences: Int, format: CacheFormat,
        promptRowsPerBatch: Int
    ) {
        self.weights = weights
        self.sequences = sequences
        unprunedCacheRowsPerSequence = context
        let dropped = visualTokens - min(visualTokens, keptTokens ?? visualTokens)
        cacheRowsPerSequence = max(0, context - dropped)
        bytesPerCacheRow = KeyValueCache.bytesPerRow(text, format: format)
        activationBytes =
            MemoryLayout<Float>.stride
            * max(
                Self.decoderNumbers(
                    text,
                    rows: min(
                        boundedProduct(sequences, cacheRowsPerSequence),
                        promptRowsPerBatch + min(sequences, 1 << 40)))
                    + boundedProduct(sequences, vocabulary + text.width),
                vision.map(Self.visionNumbers) ?? 0)
    }

    /// Numbers that a batch keeps from layer to layer: the residual stream, its normalised copy and
    /// its change, queries, keys, values, attention, gate and up.
    private static func decoderNumbers(_ config: DecoderConfig, rows: Int) -> Int {
        let attention = 2 * config.attention.queryWidth + 2 * config.attention.keyValueWidth
        return boundedProduct(rows, 3 * config.width + attention + 2 * config.feedForwardWidth)
    }

    /// Bytes that the vision tower needs for one tile.
    static func visionBytes(_ config: VisionConfig) -> Int {
        boundedProduct(visionNumbers(config), MemoryLayout<Float>.stride)
    }

    private static func visionNumbers(_ config: VisionConfig) -> Int {
        let attention = 4 * config.width
        return (1 + config.patchCount)
            * (2 * config.width + max(config.feedForwardWidth, attention))
    }
}

extension VisionConfig {
    /// The most visual tokens of a picture: with anyres, those of one that fills the largest grid.
    public var largestVisualTokenCount: Int {
        let patchesPerSide = tileSide / patchSide
        let grids = pinpoints.map { pinpoint in
            let rows = pinpoint.height / tileSide * patchesPerSide
            let columns = pinpoint.width / tileSide * patchesPerSide
            return rows * (columns + 1)
        }
        return patchCount + (grids.max() ?? 0)
    }
}

/// The product of counts that a damaged file or an option may make absurd.
///
/// It is at most 2^58 bytes, so that sums of products do not overflow.
private func boundedProduct(_ factors: Int...) -> Int {
    factors.reduce(1) { product, factor in
        let (result, hasOverflown) = product.multipliedReportingOverflow(by: factor)
        return hasOverflown ? 1 << 58 : min(result, 1 << 58)
    }
}
