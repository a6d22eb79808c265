// SPDX-License-Identifier: Apache-2.0
import BlockFormats

/// A complete model of any family with random weights, small enough to build in a test.
///
/// A tensor's numbers depend only on its name, so models that differ in one property share all other numbers.
public struct TinyModel: Sendable {
    /// How pictures enter the model.
    public enum Family: Sendable, CaseIterable {
        /// CLIP's tower, and LLaVA's projector.
        case llava
        /// SigLIP's tower, one matrix on blocks of 2 × 2 patches, and up to 2 × 2 tiles between markers.
        case smolVLM
        /// SigLIP's tower, LLaVA's projector, and grids of at most as many cells as a tile has.
        case oneVision
        /// Qwen3-VL's tower and mergers, and pictures of up to 12 cells of 2 × 2 patches.
        case qwen3VL
        /// The same with Qwen2.5-VL's tower, whose first block has windows of one cell.
        case qwen2_5VL
        /// The same with Qwen2-VL's tower.
        case qwen2VL

        /// Whether pictures of any size are one tile of cells.
        public var isQwenVL: Bool { [.qwen3VL, .qwen2_5VL, .qwen2VL].contains(self) }
    }

    /// How pictures enter the model.
    public var family = Family.llava
    /// `llama`, `phi3`, or one of the Qwens.
    public var architecture = "llama"
    /// Numbers per token.
    public var width = 16
    /// Decoder layers.
    public var layers = 2
    /// Query heads.
    public var heads = 4
    /// Key and value heads.
    public var keyValueHeads = 2
    /// Numbers per head; nil for the width's share.
    public var storedHeadWidth: Int?
    /// Layers after which a picture's rows get an addend: `qwen3vl` alone.
    public var addendLayers = 0
    /// Numbers per token inside a decoder's feed-forward block.
    public var feedForwardWidth = 24
    /// The trained context.
    public var contextLength = 512
    /// Format of the decoder's matrices.
    public var textFormat = BlockFormat.f32

    /// Pixels along a side of a tile.
    public var tileSide = 28
    /// Pixels along a side of a patch.
    public var patchSide = 14
    /// Numbers per patch.
    public var visionWidth = 16
    /// Numbers per patch inside a vision block's feed-forward network.
    public var visionFeedForwardWidth = 24
    /// Heads of the vision blocks.
    public var visionHeads = 2
    /// Vision blocks in the file.
    public var visionBlocks = 3
    /// Anyres resolutions: width, height, width, height and so on.
    public var pinpoints: [Int32] = []
    /// Format of the mmproj's matrices.
    public var projectorFormat = BlockFormat.f32

    /// A small float model of architecture `llama`.
    public init() {}

    /// A model whose matrices can be of any format: rows of 256 numbers fill every kind of block.
    public init(textFormat: BlockFormat, projectorFormat: BlockFormat) {
        (width, feedForwardWidth, visionWidth, visionFeedForwardWidth) = (256, 256, 256, 256)
        self.textFormat = textFormat
        self.projectorFormat = projectorFormat
    }

    /// Tokens of the vocabulary.
    public var vocabularySize: Int { TinyVocabulary.pieces.count + markers.count }

    private var markers: [String] {
        switch family {
        case .llava, .oneVision: []
        case .smolVLM:
            ["<fake_token_around_image>", "<global-img>"]
                + ["1_col_1", "1_col_2", "2_col_1", "2_col_2"].map { "<row_\($0)>" }
        case .qwen3VL, .qwen2_5VL, .qwen2VL: ["<|vision_start|>", "<|vision_end|>"]
        }
    }

    /// A small Qwen3-VL.
    public static let qwen3VL: TinyModel = {
        var model = TinyModel()
        (model.family, model.architecture, model.addendLayers) = (.qwen3VL, "qwen3vl", 1)
        model.storedHeadWidth = 16
        return model
    }()

    /// A small LLaVA-OneVision.
    public static let oneVision: TinyModel = {
        var model = TinyModel()
        (model.family, model.architecture) = (.oneVision, "qwen2")
        model.pinpoints = [28, 28, 28, 56, 56, 28, 56, 56]
        return model
    }()

    /// A small Qwen2-VL, or Qwen2.5-VL.
    public static func qwen2VL(_ family: Family) -> TinyModel {
        var model = TinyModel()
        (model.family, model.architecture, model.storedHeadWidth) = (family, "qwen2vl", 16)
        return model
    }

    private var headWidth: Int { storedHeadWidth ?? width / heads }
    private var queryWidth: Int { heads * headWidth }
    private var keyWidth: Int { keyValueHeads * headWidth }
    private var hasBiases: Bool { architecture == "qwen2" || architecture == "qwen2vl" }
    private var hasHeadNorms: Bool { architecture.hasPrefix("qwen3") }

    /// The pairs of a head that time, row and column turn: [4, 2, 2] of 8.
    private var sections: [Int32] {
        let (pairs, third) = (headWidth / 2, headWidth / 6)
        return [pairs - 2 * third, third, third, 0].map { Int32($0) }
    }

    /// The metadata of the text model's file, without tensors.
    public func textMetadata() -> TinyFile {
        var file = TinyFile()
        file["general.architecture"] = .string(architecture)
        func set(_ key: String, _ value: GGUFWriterValue) { file["\(architecture).\(key)"] = value }
        set("context_length", .uint32(UInt32(contextLength)))
        set("embedding_length", .uint32(UInt32(width)))
        set("block_count", .uint32(UInt32(layers)))
        set("feed_forward_length", .uint32(UInt32(feedForwardWidth)))
        set("attention.head_count", .uint32(UInt32(heads)))
        set("attention.head_count_kv", .uint32(UInt32(keyValueHeads)))
        set("attention.layer_norm_rms_epsilon", .float32(1e-5))
        if let storedHeadWidth {
            set("attention.key_length", .uint32(UInt32(storedHeadWidth)))
            set("attention.value_length", .uint32(UInt32(storedHeadWidth)))
        }
        if architecture.hasSuffix("vl") { set("rope.dimension_sections", .int32s(sections)) }
        if addendLayers > 0 { set("n_deepstack_layers", .uint32(UInt32(addendLayers))) }
        TinyVocabulary.write(to: &file, markers: markers)
        return file
    }

    /// The text model's file.
    public func text() -> TinyFile {
        var file = textMetadata()
        let vocabulary = vocabularySize
        file.addMatrix("token_embd", width, vocabulary, textFormat)
        for layer in 0..<layers { addLayer("blk.\(layer)", to: &file) }
        file.addNorm("output_norm", width)
        file.addMatrix("output", width, vocabulary, textFormat)
        return file
    }

    private func addLayer(_ name: String, to file: inout TinyFile) {
        func add(_ part: String, _ inputs: Int, _ outputs: Int, bias: Bool = false) {
            file.addMatrix("\(name).\(part)", inputs, outputs, textFormat)
            if bias { file.addVector("\(name).\(part).bias", outputs) }
        }
        file.addNorm("\(name).attn_norm", width)
        if architecture == "phi3" {
            add("attn_qkv", width, queryWidth + 2 * keyWidth)
        } else {
            add("attn_q", width, queryWidth, bias: hasBiases)
            add("attn_k", width, keyWidth, bias: hasBiases)
            add("attn_v", width, keyWidth, bias: hasBiases)
        }
        if hasHeadNorms {
            file.addNorm("\(name).attn_q_norm", headWidth)
            file.addNorm("\(name).attn_k_norm", headWidth)
        }
        add("attn_output", queryWidth, width)
        file.addNorm("\(name).ffn_norm", width)
        if architecture != "phi3" { add("ffn_gate", width, feedForwardWidth) }
        add("ffn_up", width, architecture == "phi3" ? 2 * feedForwardWidth : feedForwardWidth)
        add("ffn_down", feedForwardWidth, width)
    }

    /// The metadata of the vision tower's and projector's file, without tensors.
    public func projectorMetadata() -> TinyFile {
        var file = TinyFile()
        file["general.architecture"] = .string("clip")
        file["clip.has_vision_encoder"] = .bool(true)
        func set(_ key: String, _ value: GGUFWriterValue) { file["clip.vision.\(key)"] = value }
        set("image_size", .uint32(UInt32(tileSide)))
        set("patch_size", .uint32(UInt32(patchSide)))
        set("embedding_length", .uint32(UInt32(visionWidth)))
        set("feed_forward_length", .uint32(UInt32(visionFeedForwardWidth)))
        set("attention.head_count", .uint32(UInt32(visionHeads)))
        set("block_count", .uint32(UInt32(visionBlocks)))
        if !pinpoints.isEmpty { set("image_grid_pinpoints", .int32s(pinpoints)) }
        switch family {
        case .llava:
            file["clip.has_llava_projector"] = .bool(true)
            file["clip.projector_type"] = .string("mlp")
        case .smolVLM:
            file["clip.use_gelu"] = .bool(true)
            file["clip.projector_type"] = .string("idefics3")
            set("projector.scale_factor", .uint32(2))
            set("preproc_image_size", .uint32(UInt32(2 * tileSide)))
        case .oneVision:
            file["clip.use_gelu"] = .bool(true)
            file["clip.projector_type"] = .string("mlp")
            set("image_aspect_ratio", .string("anyres_max_1"))
        case .qwen3VL, .qwen2_5VL, .qwen2VL: addQwenVLKeys(to: &file)
        }
        return file
    }

    private func addQwenVLKeys(to file: inout TinyFile) {
        func set(_ key: String, _ value: GGUFWriterValue) { file["clip.vision.\(key)"] = value }
        let cell = UInt32(4 * patchSide * patchSide)
        set("spatial_merge_size", .uint32(2))
        set("image_min_pixels", .uint32(2 * cell))
        set("image_max_pixels", .uint32(12 * cell))
        switch family {
        case .qwen2VL: file["clip.projector_type"] = .string("qwen2vl_merger")
        case .qwen2_5VL:
            file["clip.projector_type"] = .string("qwen2.5vl_merger")
            set("n_wa_pattern", .uint32(2))
            set("window_size", .uint32(UInt32(2 * patchSide)))
        default:
            file["clip.use_gelu"] = .bool(true)
            file["clip.projector_type"] = .string("qwen3vl_merger")
            set("is_deepstack_layers", .bools((0..<visionBlocks).map { $0 < addendLayers }))
        }
    }

    /// The vision tower's and projector's file, named as LLaVA's converter names tensors.
    public func projector() -> TinyFile {
        var file = projectorMetadata()
        let patches = (tileSide / patchSide) * (tileSide / patchSide)
        file.set(
            "v.patch_embd.weight", shape: [patchSide, patchSide, 3, visionWidth],
            floats: gaussians("v.patch_embd", patchSide * patchSide * 3 * visionWidth, 0.05))
        for block in 0..<visionBlocks { addBlock("v.blk.\(block)", to: &file) }
        switch family {
        case .llava:
            file.addVector("v.class_embd", visionWidth)
            file.addMatrix("v.position_embd", visionWidth, patches + 1, projectorFormat)
            file.addNorm("v.pre_ln", visionWidth, bias: true)
            addLinear("mm.0", visionWidth, width, to: &file)
            addLinear("mm.2", width, width, to: &file)
        case .smolVLM:
            file.addMatrix("v.position_embd", visionWidth, patches, projectorFormat)
            file.addNorm("v.post_ln", visionWidth, bias: true)
            file.addMatrix("mm.model.fc", 4 * visionWidth, width, projectorFormat)
        case .oneVision:
            file.addMatrix("v.position_embd", visionWidth, patches, projectorFormat)
            addLinear("mm.0", visionWidth, width, to: &file)
            addLinear("mm.2", width, width, to: &file)
        case .qwen3VL, .qwen2_5VL, .qwen2VL: addMergers(to: &file, patches: patches)
        }
        if !pinpoints.isEmpty { file.addVector("model.image_newline", width) }
        return file
    }

    private func addMergers(to file: inout TinyFile, patches: Int) {
        file.set(
            "v.patch_embd.weight.1", shape: [patchSide, patchSide, 3, visionWidth],
            floats: gaussians("second", patchSide * patchSide * 3 * visionWidth, 0.05))
        if family == .qwen3VL {
            file.addMatrix("v.position_embd", visionWidth, patches, projectorFormat)
        }
        file.addNorm("v.post_ln", visionWidth, bias: family != .qwen2_5VL)
        addLinear("mm.0", 4 * visionWidth, 4 * visionWidth, to: &file)
        addLinear("mm.2", 4 * visionWidth, width, to: &file)
        for tap in 0..<addendLayers {
            file.addNorm("v.deepstack.\(tap).norm", 4 * visionWidth, bias: true)
            addLinear("v.deepstack.\(tap).fc1", 4 * visionWidth, 4 * visionWidth, to: &file)
            addLinear("v.deepstack.\(tap).fc2", 4 * visionWidth, width, to: &file)
        }
    }

    private func addBlock(_ name: String, to file: inout TinyFile) {
        file.addNorm("\(name).ln1", visionWidth, bias: family != .qwen2_5VL)
        if family.isQwenVL {
            addLinear("\(name).attn_qkv", visionWidth, 3 * visionWidth, to: &file)
            addLinear("\(name).attn_out", visionWidth, visionWidth, to: &file)
        } else {
            for part in ["attn_q", "attn_k", "attn_v", "attn_out"] {
                addLinear("\(name).\(part)", visionWidth, visionWidth, to: &file)
            }
        }
        file.addNorm("\(name).ln2", visionWidth, bias: family != .qwen2_5VL)
        if family == .qwen2_5VL {
            addLinear("\(name).ffn_gate", visionWidth, visionFeedForwardWidth, to: &file)
        }
        // The converter names the first layer "down" and the second "up".
        addLinear("\(name).ffn_down", visionWidth, visionFeedForwardWidth, to: &file)
        addLinear("\(name).ffn_up", visionFeedForwardWidth, visionWidth, to: &file)
    }

    private func addLinear(
        _ name: String, _ inputs: Int, _ outputs: Int, to file: inout TinyFile
    ) {
        file.addMatrix(name, inputs, outputs, projectorFormat)
        file.addVector("\(name).bias", outputs)
    }
}

extension TinyFile {
    /// `name.weight` of variance 1/inputs.
    fileprivate mutating func addMatrix(
        _ name: String, _ inputs: Int, _ outputs: Int, _ format: BlockFormat
    ) {
        var random = generator(name)
        let bytes = format.randomBlocks(
            count: inputs * outputs, deviation: 1 / Float(inputs).squareRoot(), using: &random)
        self[tensor: "\(name).weight"] = GGUFWriterTensor(
            name: "\(name).weight", type: format.rawValue, shape: [inputs, outputs], bytes: bytes)
    }

    /// A vector of small numbers, such as biases.
    fileprivate mutating func addVector(_ name: String, _ count: Int) {
        set(name, shape: [count], floats: gaussians(name, count, 0.2))
    }

    /// `name.weight` about 1 and, for a layer normalisation, `name.bias`.
    fileprivate mutating func addNorm(_ name: String, _ width: Int, bias: Bool = false) {
        let weights = gaussians(name, width, 0.1).map { 1 + $0 }
        set("\(name).weight", shape: [width], floats: weights)
        if bias { addVector("\(name).bias", width) }
    }
}

/// Random numbers that depend on a name (by its FNV-1a hash), mean 0.
public func gaussians(_ name: String, _ count: Int, _ deviation: Float) -> [Float] {
    var random = generator(name)
    return (0..<count).map { _ in deviation * random.nextGaussian() }
}

private func generator(_ name: String) -> SeededGenerator {
    SeededGenerator(
        seed: name.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 })
}
