// SPDX-License-Identifier: Apache-2.0
import GGUF
import TensorOps
import Weights

/// The shape of a CLIP vision tower and its projector, read from the mmproj file's metadata.
package struct CLIPConfig: Sendable, Equatable {
    /// The networks between the vision tower and the decoder.
    package enum ProjectorKind: String, CaseIterable, Sendable {
        /// Two linear layers with a GELU between (LLaVA-1.5 and later).
        case mlp
        /// One linear layer (LLaVA-1.0).
        case linear
        /// Two linear layers, each followed by a layer normalisation (LLaVA with Yi).
        case mlpNorm = "mlp_norm"

        /// The numbers of its layers that have weights.
        var layers: [Int] {
            switch self {
            case .mlp: [0, 2]
            case .linear: [0]
            case .mlpNorm: [0, 1, 3, 4]
            }
        }
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
    /// Which projector follows.
    package let projector: ProjectorKind
    /// Mean of the three colours.
    package let mean: [Float]  // [3]
    /// Standard deviation of the three colours.
    package let deviation: [Float]  // [3]
    /// Warnings about metadata that nothing here reads.
    package let warnings: [String]

    /// Patches of one tile.
    package var patchCount: Int { (tileSide / patchSide) * (tileSide / patchSide) }
    /// Numbers per patch that the projector takes.
    package var featureWidth: Int { width * featureLayers.count }

    /// Bytes of the activations of one tile in the tower.
    package var activationBytes: Int {
        let attention = 4 * width
        let numbers = (1 + patchCount) * (2 * width + max(feedForwardWidth, attention))
        return numbers * MemoryLayout<Float>.stride
    }

    /// How the tower's pictures are cut.
    ///
    /// - Throws: `ModelError.invalidValue` for numbers of which `file` has no such tiles.
    package func tiles(_ layout: TileLayout, file: String) throws(ModelError) -> CLIPTiles {
        do {
            return try CLIPTiles(
                tileSide: tileSide, patchSide: patchSide, mean: mean, deviation: deviation,
                layout: layout)
        } catch {
            throw .invalidValue(
                file: file, key: "clip.vision", value: "\(error)",
                expected: "a CLIP picture format")
        }
    }

    /// The colour statistics that every CLIP model uses (OpenAI's preprocessing).
    private static let clipMean: [Float] = [0.481_454_66, 0.457_827_5, 0.408_210_73]
    private static let clipDeviation: [Float] = [0.268_629_54, 0.261_302_58, 0.275_777_11]

    /// Most patches along a side of a tile; CLIP ViT-L/14-336 has 24.
    private static let patchesPerSideLimit = 128

    /// Blocks of CLIP ViT-L; LLaVA takes the output of the last but one.
    private static let clipLargeBlockCount = 24

    /// Reads the metadata of an mmproj file.
    ///
    /// - Throws: `ModelError` for other towers and projectors.
    package init(_ file: GGUFFile) throws(ModelError) {
        let loader = TensorLoader(file)
        let projectorLayers = (0..<8).filter {
            loader.contains("\(CLIPTensors.projectorLayer($0)).weight")
        }
        try self.init(
            file.metadata, storedBlocks: loader.storedCLIPBlocks,
            projectorLayers: Set(projectorLayers))
    }

    /// Reads the metadata of an mmproj file that stores `storedBlocks` blocks and the given
    /// projector layers.
    ///
    /// - Throws: `ModelError` for other towers and projectors.
    init(
        _ metadata: GGUFMetadata, storedBlocks: Int, projectorLayers: Set<Int>
    ) throws(ModelError) {
        let clip = Hyperparameters(metadata: metadata, prefix: "clip")
        if try clip.bool(ifPresent: "has_vision_encoder") == false {
            throw clip.unsupported("has_vision_encoder", "false", supported: "true")
        }
        let vision = Hyperparameters(metadata: metadata, prefix: "clip.vision")
        projector = try Self.projector(clip, vision, projectorLayers)
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
        activation = try Self.activation(clip)
        featureLayers = try Self.featureLayers(vision, storedBlocks)
        blockCount = featureLayers.max() ?? 0
        mean = try Self.colours(vision, "image_mean") ?? Self.clipMean
        deviation = try Self.colours(vision, "image_std") ?? Self.clipDeviation
        warnings = try UnreadMetadata.vision.check(metadata)
        guard deviation.allSatisfy({ $0 != 0 }) else {
            throw vision.invalid("image_std", "\(deviation)", "numbers other than 0")
        }
    }

    /// Files of 2023 do not name their projector; its layers identify it.
    private static func projector(
        _ clip: Hyperparameters, _ vision: Hyperparameters, _ layers: Set<Int>
    ) throws(ModelError) -> ProjectorKind {
        let named =
            if let name = try clip.string(ifPresent: "projector_type") {
                name
            } else {
                try vision.string(ifPresent: "projector_type") ?? "mlp"
            }
        guard var kind = ProjectorKind(rawValue: named) else {
            throw clip.unsupported(
                "projector_type", named,
                supported: ProjectorKind.allCases.map(\.rawValue).joined(separator: ", "))
        }
        if kind == .mlp, layers.contains(3) { kind = .mlpNorm }
        if kind == .mlp, !layers.contains(2) { kind = .linear }
        guard layers.isSubset(of: kind.layers) else {
            let found = layers.sorted().map(CLIPTensors.projectorLayer).joined(separator: ", ")
            let known = kind.layers.map(CLIPTensors.projectorLayer).joined(separator: ", ")
            throw clip.unsupported(
                "projector_type", "\(kind.rawValue) of \(found)", supported: known)
        }
        return kind
    }

    private static func activation(
        _ clip: Hyperparameters
    ) throws(ModelError) -> FeedForwardActivation {
        if try clip.bool(ifPresent: "use_silu") == true {
            throw clip.unsupported("use_silu", "true", supported: "quick-GELU, GELU")
        }
        return try clip.bool(ifPresent: "use_gelu") == true ? .gelu : .quickGELU
    }

    /// Converters drop CLIP's last block, so all blocks of a file with fewer than 24 run.
    ///
    /// Of all 24, the last does not run, as LLaVA was trained.
    private static func featureLayers(
        _ vision: Hyperparameters, _ storedBlocks: Int
    ) throws(ModelError) -> [Int] {
        let key = "feature_layer"
        if let layers = try vision.integers(ifPresent: key), !layers.isEmpty {
            guard layers.count <= 16, layers.allSatisfy({ (0...storedBlocks).contains($0) }) else {
                throw vision.invalid(key, "\(layers)", "up to 16 of 0…\(storedBlocks)")
            }
            return layers
        }
        let declared = try vision.count("block_count", upTo: 512)
        guard storedBlocks > 0, storedBlocks >= declared - 1 else {
            throw vision.invalid(
                "block_count", "\(declared)", "at most the \(storedBlocks) stored blocks and one")
        }
        return [storedBlocks == clipLargeBlockCount ? storedBlocks - 1 : storedBlocks]
    }

    private static func colours(
        _ vision: Hyperparameters, _ key: String
    ) throws(ModelError) -> [Float]? {
        guard let values = try vision.floats(ifPresent: key) else { return nil }
        guard values.count == 3, values.allSatisfy(\.isFinite) else {
            throw vision.invalid(key, "\(values.prefix(8))", "3 finite numbers")
        }
        return values
    }
}
