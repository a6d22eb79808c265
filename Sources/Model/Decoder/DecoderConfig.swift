// SPDX-License-Identifier: Apache-2.0
import GGUF
import TensorOps
import Weights

/// The shape of one layer of a text decoder.
public struct LayerConfig: Sendable, Equatable {
    /// Heads and their width.
    public let attention: AttentionShape
    /// The tokens that a token sees.
    public let mask: AttentionMask
    /// How positions turn the heads.
    public let rotary: RotaryConfig
    /// Numbers per token inside the feed-forward block.
    public let feedForwardWidth: Int
    /// ε of the normalisations.
    public let epsilon: Float
}

/// The shape of a text decoder, read from its file's metadata.
public struct DecoderConfig: Sendable, Equatable {
    /// Which decoder it is.
    public let architecture: Architecture
    /// Numbers per token in the residual stream.
    public let width: Int
    /// The transformer layers, first to last.
    public let layers: [LayerConfig]
    /// Layers, from the first on, after each of which a picture's rows get an addend of their own (DeepStack, arXiv
    /// 2406.04334).
    public let addendLayers: Int
    /// Positions that the model was trained for.
    public let contextLength: Int
    /// Warnings about metadata that nothing here reads.
    public let warnings: [String]

    /// The most numbers per token anywhere in a decoder.
    ///
    /// Llama-3.1-405B, far larger than any LLaVA, has 53248.
    package static let widthLimit = 1 << 16

    /// Numbers of a picture's row: an embedding, then an addend for each layer that takes one.
    public var pictureRowWidth: Int { (1 + addendLayers) * width }
    /// Heads and their width: the same in all layers, as pages of the KV cache are.
    public var attention: AttentionShape { layers[0].attention }
    /// Numbers per token inside the widest feed-forward block.
    public var feedForwardWidth: Int { layers.reduce(0) { max($0, $1.feedForwardWidth) } }
    /// Whether rows of pictures are told apart by their row and column.
    package var placesRowsOnGrid: Bool { layers[0].rotary.axes != nil }
    /// ε of the normalisation before the LM head.
    var epsilon: Float { layers[0].epsilon }

    /// Reads the metadata of a text model.
    ///
    /// - Throws: `ModelError` for other architectures and for numbers that contradict each other.
    public init(_ metadata: GGUFMetadata) throws(ModelError) {
        let general = Hyperparameters(metadata: metadata, prefix: "general")
        let name = try general.string(ifPresent: "architecture") ?? "missing"
        guard let architecture = Architecture(rawValue: name) else {
            throw general.unsupported(
                "architecture", name,
                supported: Architecture.allCases.map(\.rawValue).joined(separator: ", "))
        }
        try general.checkIsModel()
        let parameters = Hyperparameters(metadata: metadata, prefix: name)
        self.architecture = architecture
        width = try parameters.count("embedding_length", upTo: Self.widthLimit)
        let layerCount = try parameters.count("block_count", upTo: 512)
        let feedForwardWidth = try parameters.count("feed_forward_length", upTo: Self.widthLimit)
        contextLength = try parameters.count("context_length", upTo: 1 << 30)
        guard let epsilon = try parameters.positive(ifPresent: "attention.layer_norm_rms_epsilon")
        else {
            throw parameters.invalid(
                "attention.layer_norm_rms_epsilon", "missing", "a positive number")
        }
        let attention = try Self.attention(parameters, width: width)
        let mask = try Self.mask(parameters, context: contextLength)
        let rotary = try RotaryConfig(
            parameters, attention, architecture, context: contextLength)
        addendLayers = try Self.addendLayers(parameters, architecture, layers: layerCount)
        layers = Array(
            repeating: LayerConfig(
                attention: attention, mask: mask, rotary: rotary,
                feedForwardWidth: feedForwardWidth, epsilon: epsilon), count: layerCount)
        if let experts = try parameters.integer(ifPresent: "expert_count"), experts != 0 {
            throw parameters.unsupported("expert_count", "\(experts)", supported: "0")
        }
        warnings = try UnreadMetadata.decoder(
            architecture, width: width, attention, hasWindow: mask != .causal
        ).check(metadata)
    }

    private static func attention(
        _ parameters: Hyperparameters, width: Int
    ) throws(ModelError) -> AttentionShape {
        let heads = try parameters.count("attention.head_count", upTo: 1 << 10)
        let keyValueHeads =
            try parameters.count(ifPresent: "attention.head_count_kv", upTo: heads) ?? heads
        guard heads % keyValueHeads == 0 else {
            throw parameters.invalid(
                "attention.head_count_kv", "\(keyValueHeads)", "a divisor of \(heads)")
        }
        let limit = 1 << 12
        let storedWidth = try parameters.count(ifPresent: "attention.key_length", upTo: limit)
        guard storedWidth != nil || width % heads == 0 else {
            throw parameters.invalid("attention.head_count", "\(heads)", "a divisor of \(width)")
        }
        let headWidth = storedWidth ?? width / heads
        let valueWidth =
            try parameters.count(ifPresent: "attention.value_length", upTo: limit) ?? headWidth
        guard valueWidth == headWidth, headWidth > 0, headWidth % 2 == 0 else {
            throw parameters.unsupported(
                "attention.key_length and value_length", "\(headWidth) and \(valueWidth)",
                supported: "equal even widths")
        }
        guard heads * headWidth <= widthLimit else {
            throw parameters.invalid(
                "attention.key_length", "\(headWidth)", "at most \(widthLimit) for \(heads) heads")
        }
        return AttentionShape(
            heads: heads, keyValueHeads: keyValueHeads, headWidth: headWidth)
    }

    private static func addendLayers(
        _ parameters: Hyperparameters, _ architecture: Architecture, layers: Int
    ) throws(ModelError) -> Int {
        let key = "n_deepstack_layers"
        guard architecture.takesAddends, let count = try parameters.integer(ifPresent: key) else {
            return 0
        }
        guard (0...layers).contains(count) else {
            throw parameters.invalid(key, "\(count)", "a number from 0 to \(layers)")
        }
        return count
    }

    /// A window that the whole context fits into hides nothing.
    private static func mask(
        _ parameters: Hyperparameters, context: Int
    ) throws(ModelError) -> AttentionMask {
        let key = "attention.sliding_window"
        guard let window = try parameters.integer(ifPresent: key), window != 0 else {
            return .causal
        }
        guard window > 0 else { throw parameters.invalid(key, "\(window)", "0 or more") }
        return window < context ? .window(window) : .causal
    }
}
