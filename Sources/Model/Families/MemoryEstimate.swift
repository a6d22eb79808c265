// SPDX-License-Identifier: Apache-2.0
import Decoder
import GGUF
import Pictures
import TensorOps
import TokenPruning
import Weights

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
    /// Pictures on their way to the decoder: their tiles, what selectors look at, and their rows.
    public let pictureBytes: Int
    /// The program, its tokenizer, and what the C library keeps of memory that was freed: measured, not computed.
    public let programBytes: Int

    /// KV cache of all sequences.
    public var cacheBytes: Int {
        boundedProduct(sequences, cacheRowsPerSequence, bytesPerCacheRow)
    }
    /// The same without pruning.
    public var unprunedCacheBytes: Int {
        boundedProduct(sequences, unprunedCacheRowsPerSequence, bytesPerCacheRow)
    }
    /// Everything together.
    public var totalBytes: Int {
        weights.byteCount + cacheBytes + activationBytes + pictureBytes + programBytes
    }

    /// What is needed whatever is asked about a picture of the largest size.
    ///
    /// Without the KV cache, which grows with the prompt, what is mapped, and the program.
    public var leastBytes: Int { weights.packedBytes + activationBytes + pictureBytes }

    /// The memory of `sequences` sequences of up to `context` rows.
    ///
    /// - Parameters:
    ///   - projector: the mmproj file, where pictures are looked at.
    ///   - context: nil for what a model takes by default.
    ///   - limits: how much of a picture the model sees at most.
    ///   - keptTokens: visual tokens of each picture that stay when they are pruned; nil for all.
    ///   - promptRowsPerBatch: most rows of prompts in a batch, to which every sequence adds a token.
    /// - Throws: `ModelError`.
    public init(
        text: GGUFFile, projector: GGUFFile?, activationMode: ActivationMode,
        visionPrecision: VisionPrecision, floatEncoding: BlockEncoding?, context: Int?,
        limits: VisionLimits = VisionLimits(), keptTokens: Int?, sequences: Int,
        format: CacheFormat,
        promptRowsPerBatch: Int
    ) throws(ModelError) {
        let config = try text.decoderConfig()
        let family = try projector?.family()
        let files = PairFiles(text: text.path, projector: projector?.path ?? "")
        try family?.check(config, files)
        let pictures =
            try family?.tiling(
                TilingOptions(limits), MarkerTokens(text, beside: files.projector)
            ).largestPlans ?? []
        let embedding = "\(DecoderTensors.tokenEmbedding).weight"
        self.init(
            text: config, vocabulary: text.tensor(embedding)?.shape.last ?? 0,
            towerBytes: pictures.reduce(0) { max($0, family?.activationBytes($1) ?? 0) },
            bytesPerPicture: pictures.reduce(0) {
                max(
                    $0,
                    family?.bytes($1, width: config.width, isPruned: keptTokens != nil) ?? 0)
            },
            weights: WeightMemory(
                text: text, projector: projector, visionBlocks: family?.blockCount ?? 0,
                activationMode: activationMode, visionPrecision: visionPrecision,
                floatEncoding: floatEncoding),
            context: context
                ?? LLaVAModel.defaultContext(pictures, trained: config.contextLength),
            prunedRows: pictures.mostRows(within: nil)
                - pictures.mostRows(within: keptTokens.map { .count($0) }),
            sequences: sequences, format: format, promptRowsPerBatch: promptRowsPerBatch)
    }

    /// The same of a decoder with `vocabulary` tokens.
    ///
    /// - Parameters:
    ///   - towerBytes: activations of a tile in the vision tower.
    ///   - bytesPerPicture: a picture before its rows are in the decoder.
    ///   - prunedRows: rows of a picture that never enter the cache.
    init(
        text: DecoderConfig, vocabulary: Int, towerBytes: Int, bytesPerPicture: Int,
        weights: WeightMemory, context: Int, prunedRows: Int, sequences: Int, format: CacheFormat,
        promptRowsPerBatch: Int
    ) {
        self.weights = weights
        self.sequences = sequences
        unprunedCacheRowsPerSequence = context
        cacheRowsPerSequence = max(0, context - prunedRows)
        bytesPerCacheRow = KeyValueCache.bytesPerRow(text, format: format)
        let decoderNumbers =
            Self.decoderNumbers(
                text,
                rows: min(
                    boundedProduct(sequences, cacheRowsPerSequence),
                    promptRowsPerBatch + min(sequences, 1 << 40)))
            + boundedProduct(sequences, vocabulary + text.width)
        activationBytes = max(MemoryLayout<Float>.stride * decoderNumbers, towerBytes)
        pictureBytes = boundedProduct(min(sequences, Self.picturesAtOnce), bytesPerPicture)
        programBytes = Self.programBytes + boundedProduct(vocabulary, Self.bytesPerToken)
    }

    /// Code and libraries take half of it.
    private static let programBytes = 56 << 20
    /// A token's text, its merge and their places in tables.
    private static let bytesPerToken = 160

    /// Pictures in memory at most, whatever the sequences: the one that is encoded, and those that are loaded ahead.
    private static let picturesAtOnce = 3

    /// Numbers that a batch keeps from layer to layer: the residual stream, its normalised copy,
    /// queries, keys, values, attention, gate and up, and what rows of pictures add after the first layers.
    private static func decoderNumbers(_ config: DecoderConfig, rows: Int) -> Int {
        let attention = 2 * config.attention.queryWidth + 2 * config.attention.keyValueWidth
        return boundedProduct(
            rows,
            config.width + config.pictureRowWidth + attention + 2 * config.feedForwardWidth)
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
