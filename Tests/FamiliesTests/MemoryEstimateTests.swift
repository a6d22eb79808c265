// SPDX-License-Identifier: Apache-2.0
import Decoder
import GGUF
import ModelTestSupport
import TestSupport
import Testing

@testable import Families
@testable import Pictures
@testable import Weights

/// The formula's numbers for published models, computed by hand.
@Suite struct MemoryEstimateTests {
    /// Vicuna-7B, as in LLaVA-1.5-7B.
    private let vicuna: TinyModel = {
        var model = TinyModel()
        (model.width, model.layers, model.heads, model.keyValueHeads) = (4096, 32, 32, 32)
        (model.feedForwardWidth, model.contextLength) = (11008, 4096)
        return model
    }()

    /// CLIP ViT-L/14-336 with LLaVA-NeXT's resolutions.
    private let clip: TinyModel = {
        var model = TinyModel()
        (model.tileSide, model.visionWidth, model.visionFeedForwardWidth) = (336, 1024, 4096)
        (model.visionHeads, model.visionBlocks) = (16, 23)
        model.pinpoints = [336, 672, 672, 336, 672, 672, 1008, 336, 336, 1008]
        return model
    }()

    private let weights = WeightMemory(packedBytes: 3_000_000_000, mappedBytes: 1_000_000_000)

    private func vision(_ model: TinyModel) throws -> VisionConfig {
        let metadata = try model.projectorMetadata().metadata()
        return try VisionConfig(metadata, stored: VisionConfig.Stored(blocks: 23))
    }

    private func estimate(
        _ model: TinyModel? = nil, context: Int = 4096, prunedRows: Int = 0, sequences: Int = 1
    ) throws -> MemoryEstimate {
        MemoryEstimate(
            text: try DecoderConfig((model ?? vicuna).textMetadata().metadata()), vocabulary: 32000,
            towerBytes: try vision(clip).activationBytes, bytesPerPicture: 1_000_000,
            weights: weights, context: context,
            prunedRows: prunedRows, sequences: sequences, format: .f16, promptRowsPerBatch: 512)
    }

    @Test func rowsOfPublishedModels() throws {
        let config = try DecoderConfig(vicuna.textMetadata().metadata())
        // 2 · 32 layers · 4096 numbers · 2 bytes.
        #expect(KeyValueCache.bytesPerRow(config, format: .f16) == 512 << 10)
        #expect(KeyValueCache.bytesPerRow(config, format: .f32) == 1 << 20)
        #expect(576 * KeyValueCache.bytesPerRow(config, format: .f16) == 288 << 20)
        var mistral = vicuna
        (mistral.keyValueHeads, mistral.feedForwardWidth) = (8, 14336)
        let shared = try DecoderConfig(mistral.textMetadata().metadata())
        #expect(KeyValueCache.bytesPerRow(shared, format: .f16) == 128 << 10)
    }

    @Test func cacheIsTheWholeContextLessWhatIsPruned() throws {
        let whole = try estimate()
        #expect(whole.bytesPerCacheRow == 512 << 10)
        #expect(whole.cacheBytes == 2 << 30 && whole.unprunedCacheBytes == 2 << 30)
        let pruned = try estimate(prunedRows: 512)
        #expect(pruned.cacheRowsPerSequence == 4096 - 512)
        #expect(pruned.unprunedCacheBytes - pruned.cacheBytes == 256 << 20)
        #expect(try estimate(context: 100, prunedRows: 512).cacheRowsPerSequence == 0)
        #expect(try estimate(prunedRows: 512, sequences: 8).cacheBytes == 8 * pruned.cacheBytes)
    }

    @Test func activationsAreThoseOfTheLargestStep() throws {
        // Residual and its norm, queries, keys, values and attention, gate and up; then one row of logits
        // and what they are computed from.
        let row = 2 * 4096 + 4 * 4096 + 2 * 11008
        #expect(try estimate().activationBytes == 4 * (513 * row + 32000 + 4096))
        let eight = try estimate(sequences: 8).activationBytes
        #expect(eight == 4 * (520 * row + 8 * (32000 + 4096)))
        // Few rows: a tile with its class token, queries, keys, values, attention and feed-forward, and features.
        #expect(
            try estimate(context: 50).activationBytes
                == 4 * (577 * (6 * 1024 + 4096) + 576 * 1024))
        let total = try estimate(prunedRows: 512)
        #expect(
            total.totalBytes
                == 4_000_000_000 + total.cacheBytes + total.activationBytes + total.pictureBytes
                + total.programBytes)
        #expect(total.programBytes == (56 << 20) + 160 * 32000)
    }

    /// One is encoded, and two are loaded ahead.
    @Test(arguments: [(1, 1), (2, 2), (3, 3), (8, 3)])
    func picturesAtOnce(sequences: Int, pictures: Int) throws {
        #expect(try estimate(sequences: sequences).pictureBytes == pictures * 1_000_000)
    }

    /// Pixels and rows of all tiles and, for selectors, the features of their patches.
    @Test(arguments: [(nil, nil), (nil, 1), (3, nil)] as [(Int?, Int?)])
    func picturesOfSmolVLM(keptTokens: Int?, mostTiles: Int?) throws {
        var model = TinyModel()
        model.family = .smolVLM
        try TinyPair(model).withPaths { text, projector in
            let estimate = try MemoryEstimate(
                text: GGUFFile(path: text), projector: GGUFFile(path: projector),
                activationMode: .pow2, visionPrecision: .int8, floatEncoding: nil, context: 100,
                limits: VisionLimits(mostTiles: mostTiles), keptTokens: keptTokens, sequences: 1,
                format: .f16,
                promptRowsPerBatch: 512)
            let patches = (model.tileSide / model.patchSide) * (model.tileSide / model.patchSide)
            let tile =
                3 * model.tileSide * model.tileSide + patches / 4 * model.width
                + (keptTokens == nil ? 0 : 2 * patches * model.visionWidth)
            #expect(estimate.pictureBytes == 4 * (mostTiles ?? 5) * tile)
        }
    }

    /// The cells of all tiles, and those that are left of them.
    @Test func picturesOfOneVision() throws {
        let model = TinyModel.oneVision
        try TinyPair(model).withPaths { text, projector in
            let estimate = try MemoryEstimate(
                text: GGUFFile(path: text), projector: GGUFFile(path: projector),
                activationMode: .pow2, visionPrecision: .int8, floatEncoding: nil, context: 100,
                keptTokens: nil, sequences: 1, format: .f16, promptRowsPerBatch: 512)
            // A base tile and 2 × 2 others, of 4 patches each; the grid becomes the patches of one tile.
            #expect(
                estimate.pictureBytes == 4 * (5 * 3 * 28 * 28 + (5 * 4 + 4 + 4) * model.width))
        }
    }

    @Test func addendsOfPicturesTakeRoom() throws {
        var model = vicuna
        model.architecture = "qwen3vl"
        let without = try estimate(model).activationBytes
        model.addendLayers = 3
        #expect(try estimate(model).activationBytes == without + 4 * 513 * 3 * 4096)
    }

    /// What is pruned of the largest picture: newlines stay where cells do.
    @Test(arguments: [(nil, 0), (64, 0), (7, 24 - 11), (1, 24 - 2)])
    func rowsOfFiles(keptTokens: Int?, pruned: Int) throws {
        var model = TinyModel()
        model.pinpoints = [28, 56, 56, 28, 56, 56]
        try TinyPair(model).withPaths { text, projector in
            let estimate = try MemoryEstimate(
                text: GGUFFile(path: text), projector: GGUFFile(path: projector),
                activationMode: .pow2, visionPrecision: .int8, floatEncoding: nil, context: 100,
                keptTokens: keptTokens, sequences: 1, format: .f16, promptRowsPerBatch: 512)
            #expect(estimate.unprunedCacheRowsPerSequence == 100)
            #expect(estimate.cacheRowsPerSequence == 100 - pruned)
        }
    }

    @Test func absurdNumbersDoNotOverflow() throws {
        let absurd = try estimate(context: 1 << 40, sequences: 1 << 40)
        #expect(absurd.totalBytes > 1 << 57)
    }
}
