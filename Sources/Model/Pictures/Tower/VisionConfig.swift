// SPDX-License-Identifier: Apache-2.0
import GGUF
import TensorOps
import Weights

/// The shape of a vision transformer that reads square tiles, CLIP's or SigLIP's, read from the mmproj file.
package struct VisionConfig: Sendable, Equatable {
    /// The hidden states of a tower that a family's projector takes.
    package enum Features: Sendable {
        /// Those that the file names; without names, the output of the last block, or the last but one of CLIP ViT-L's.
        case llava
        /// The output of the last block, normalised.
        case normalisedLast
    }

    /// Side of a tile in pixels.
    package let tileSide: Int
    /// Side of a patch in pixels.
    package let patchSide: Int
    /// Numbers per patch in the residual stream.
    package let width: Int
    /// Numbers per patch inside a feed-forward block.
    package let feedForwardWidth: Int
    /// Heads and their width.
    package let attention: AttentionShape
    /// ε of the normalisations, the projector's included.
    package let epsilon: Float
    /// The feed-forward blocks' activation.
    package let activation: FeedForwardActivation
    /// Blocks to run.
    package let blockCount: Int
    /// The hidden states that become features, joined in this order; 0 is the embedding, n the
    /// output of the n-th block.
    package let featureLayers: [Int]
    /// Whether a class token precedes the patches, as in CLIP.
    package let hasClassToken: Bool
    /// Whether the embedding is normalised, as in CLIP.
    package let hasPreNorm: Bool
    /// Whether the last block's output is normalised before it becomes features.
    package let hasPostNorm: Bool
    /// Mean of the three colours.
    package let mean: [Float]  // [3]
    /// Standard deviation of the three colours.
    package let deviation: [Float]  // [3]
    /// Warnings about metadata that nothing here reads.
    package let warnings: [String]

    /// Patches of one tile.
    package var patchCount: Int { (tileSide / patchSide) * (tileSide / patchSide) }
    /// Rows that go through the blocks for one tile.
    package var rowCount: Int { (hasClassToken ? 1 : 0) + patchCount }
    /// Numbers per patch in the features.
    package var featureWidth: Int { width * featureLayers.count }

    /// Bytes of the activations of one tile in the tower: the residual stream and its norm, queries, keys, values and
    /// attention, the feed-forward block, which all keep their memory from block to block, and the features.
    package var activationBytes: Int {
        let numbers = rowCount * (6 * width + feedForwardWidth) + patchCount * featureWidth
        return numbers * MemoryLayout<Float>.stride
    }

    /// The colour statistics that every CLIP model uses (OpenAI's preprocessing).
    private static let clipMean: [Float] = [0.481_454_66, 0.457_827_5, 0.408_210_73]
    private static let clipDeviation: [Float] = [0.268_629_54, 0.261_302_58, 0.275_777_11]

    /// Most patches along a side of a tile; CLIP ViT-L/14-336 has 24.
    private static let patchesPerSideLimit = 128

    /// Blocks of CLIP ViT-L; LLaVA takes the output of the last but one.
    private static let clipLargeBlockCount = 24

    /// What a file stores of a tower.
    struct Stored {
        /// Blocks, from block 0 on.
        var blocks: Int
        var hasClassToken = true
        var hasPreNorm = true
    }

    /// Reads the metadata of an mmproj file.
    ///
    /// - Parameters:
    ///   - features: the hidden states that the family's projector takes.
    ///   - reads: keys below `clip` that the family reads besides these.
    /// - Throws: `ModelError` for other towers.
    package init(
        _ file: GGUFFile, features: Features = .llava, reads: Set<String> = []
    ) throws(ModelError) {
        let loader = TensorLoader(file)
        try self.init(
            file.metadata,
            stored: Stored(
                blocks: loader.storedVisionBlocks,
                hasClassToken: loader.contains(VisionTensors.classEmbedding),
                hasPreNorm: loader.contains("\(VisionTensors.preNorm).weight")),
            features: features, reads: reads)
    }

    /// Reads the metadata of an mmproj file that stores such a tower.
    ///
    /// - Throws: `ModelError` for other towers.
    init(
        _ metadata: GGUFMetadata, stored: Stored, features: Features = .llava,
        reads: Set<String> = []
    ) throws(ModelError) {
        let clip = Hyperparameters(metadata: metadata, prefix: "clip")
        if try clip.bool(ifPresent: "has_vision_encoder") == false {
            throw clip.unsupported("has_vision_encoder", "false", supported: "true")
        }
        let vision = Hyperparameters(metadata: metadata, prefix: "clip.vision")
        tileSide = try vision.count("image_size", upTo: 4096)
        patchSide = try vision.count("patch_size", upTo: tileSide)
        guard tileSide / patchSide <= Self.patchesPerSideLimit else {
            throw vision.invalid(
                "patch_size", "\(patchSide)",
                "at most \(Self.patchesPerSideLimit) patches along \(tileSide) pixels")
        }
        width = try vision.count("embedding_length", upTo: 1 << 14)
        feedForwardWidth = try vision.count("feed_forward_length", upTo: 1 << 16)
        epsilon = try vision.positive(ifPresent: "attention.layer_norm_epsilon") ?? 1e-5
        let heads = try vision.count("attention.head_count", upTo: 1 << 8)
        guard width % heads == 0 else {
            throw vision.invalid("attention.head_count", "\(heads)", "a divisor of \(width)")
        }
        attention = AttentionShape(heads: heads, keyValueHeads: heads, headWidth: width / heads)
        (hasClassToken, hasPreNorm) = (stored.hasClassToken, stored.hasPreNorm)
        hasPostNorm = features == .normalisedLast
        activation = try Self.activation(clip, hasClassToken: hasClassToken)
        featureLayers =
            switch features {
            case .llava: try Self.llavaLayers(vision, stored)
            case .normalisedLast: [try Self.checkedBlocks(vision, stored)]
            }
        blockCount = featureLayers.max() ?? 0
        mean = try vision.colours("image_mean") ?? Self.clipMean
        deviation = try vision.colours("image_std") ?? Self.clipDeviation
        warnings = try UnreadMetadata.vision(reads: reads).check(metadata)
        guard deviation.allSatisfy({ $0 != 0 }) else {
            throw vision.invalid("image_std", "\(deviation)", "numbers other than 0")
        }
    }

    /// SigLIP, which has no class token, was trained with the tanh form of GELU.
    private static func activation(
        _ clip: Hyperparameters, hasClassToken: Bool
    ) throws(ModelError) -> FeedForwardActivation {
        if try clip.bool(ifPresent: "use_silu") == true {
            throw clip.unsupported("use_silu", "true", supported: "quick-GELU, GELU")
        }
        guard try clip.bool(ifPresent: "use_gelu") == true else { return .quickGELU }
        return hasClassToken ? .gelu : .geluTanh
    }

    /// Converters drop CLIP's last block, so all blocks of a file with fewer than 24 run.
    ///
    /// Of all 24, the last does not run, as LLaVA was trained. SigLIP's towers never have an unused block.
    private static func llavaLayers(
        _ vision: Hyperparameters, _ stored: Stored
    ) throws(ModelError) -> [Int] {
        let key = "feature_layer"
        if let layers = try vision.integers(ifPresent: key), !layers.isEmpty {
            guard layers.count <= 16, layers.allSatisfy({ (0...stored.blocks).contains($0) }) else {
                throw vision.invalid(key, "\(layers)", "up to 16 of 0…\(stored.blocks)")
            }
            return layers
        }
        let blocks = try checkedBlocks(vision, stored)
        return [stored.hasClassToken && blocks == clipLargeBlockCount ? blocks - 1 : blocks]
    }

    /// The stored blocks, as many as the file declares or one fewer.
    private static func checkedBlocks(
        _ vision: Hyperparameters, _ stored: Stored
    ) throws(ModelError) -> Int {
        let declared = try vision.count("block_count", upTo: 512)
        guard stored.blocks > 0, stored.blocks >= declared - 1 else {
            throw vision.invalid(
                "block_count", "\(declared)", "at most the \(stored.blocks) stored blocks and one")
        }
        return stored.blocks
    }
}

extension Hyperparameters {
    /// Three finite numbers, or nil where the file has no such key.
    func colours(_ key: String) throws(ModelError) -> [Float]? {
        guard let values = try floats(ifPresent: key) else { return nil }
        guard values.count == 3, values.allSatisfy(\.isFinite) else {
            throw invalid(key, "\(values.prefix(8))", "3 finite numbers")
        }
        return values
    }
}
