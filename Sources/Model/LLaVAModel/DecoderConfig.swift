// SPDX-License-Identifier: Apache-2.0
import GGUF
import TensorOps

/// The shape of a text decoder, read from its file's metadata.
public struct DecoderConfig: Sendable, Equatable {
    /// The decoders that differ in tensors, biases or the rotary embedding's pairing.
    public enum Architecture: String, CaseIterable, Sendable {
        case llama, qwen2, phi3
    }

    /// How the rotary embedding's frequencies are changed for contexts beyond the trained one.
    public enum RotaryScaling: Sendable, Equatable {
        /// Not at all.
        case none
        /// All are divided by a factor.
        case linear(factor: Float)
        /// Each is divided by a factor of its own, stored as a tensor: one set for contexts up to
        /// `originalContext`, one for longer ones.
        case longrope(originalContext: Int)
    }

    /// Which decoder it is.
    public let architecture: Architecture
    /// Numbers per token in the residual stream.
    public let width: Int
    /// Transformer layers.
    public let layerCount: Int
    /// Numbers per token inside a feed-forward block.
    public let feedForwardWidth: Int
    /// Heads and their width.
    public let attention: AttentionShape
    /// ε of the normalisations.
    public let epsilon: Float
    /// Positions that the model was trained for.
    public let contextLength: Int
    /// Numbers of a head that the rotary embedding turns.
    public let rotatedWidth: Int
    /// Base of the rotary embedding's frequencies.
    public let rotaryBase: Float
    /// The frequencies' scaling.
    public let rotaryScaling: RotaryScaling
    /// Factor on the rotary embedding's cosines and sines.
    public let rotaryMagnitude: Float

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
        let parameters = Hyperparameters(metadata: metadata, prefix: name)
        self.architecture = architecture
        width = try parameters.count("embedding_length", upTo: 1 << 16)
        layerCount = try parameters.count("block_count", upTo: 512)
        feedForwardWidth = try parameters.count("feed_forward_length", upTo: 1 << 18)
        contextLength = try parameters.count("context_length", upTo: 1 << 30)
        guard let epsilon = try parameters.positive(ifPresent: "attention.layer_norm_rms_epsilon")
        else {
            throw parameters.invalid(
                "attention.layer_norm_rms_epsilon", "missing", "a positive number")
        }
        self.epsilon = epsilon
        attention = try Self.attention(parameters, width: width)
        rotatedWidth = try Self.rotatedWidth(parameters, attention, architecture)
        rotaryBase = try parameters.positive(ifPresent: "rope.freq_base") ?? 10_000
        rotaryScaling = try Self.rotaryScaling(parameters, contextLength)
        rotaryMagnitude = try parameters.positive(ifPresent: "rope.scaling.attn_factor") ?? 1
        if let experts = try parameters.number(ifPresent: "expert_count"), experts > 0 {
            throw parameters.unsupported("expert_count", "\(experts)", supported: "0")
        }
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
        let headWidth =
            try parameters.count(ifPresent: "attention.key_length", upTo: limit) ?? width / heads
        let valueWidth =
            try parameters.count(ifPresent: "attention.value_length", upTo: limit) ?? headWidth
        guard valueWidth == headWidth, headWidth > 0, headWidth % 2 == 0 else {
            throw parameters.unsupported(
                "attention.key_length and value_length", "\(headWidth) and \(valueWidth)",
                supported: "equal even widths")
        }
        return AttentionShape(heads: heads, keyValueHeads: keyValueHeads, headWidth: headWidth)
    }

    private static func rotatedWidth(
        _ parameters: Hyperparameters, _ attention: AttentionShape, _ architecture: Architecture
    ) throws(ModelError) -> Int {
        let key = "rope.dimension_count"
        let rotated =
            try parameters.count(ifPresent: key, upTo: attention.headWidth) ?? attention.headWidth
        guard rotated % 2 == 0 else {
            throw parameters.invalid(key, "\(rotated)", "an even number")
        }
        guard architecture != .llama || rotated == attention.headWidth else {
            throw parameters.invalid(
                key, "\(rotated)", "the head's width, \(attention.headWidth)")
        }
        return rotated
    }

    private static func rotaryScaling(
        _ parameters: Hyperparameters, _ contextLength: Int
    ) throws(ModelError) -> RotaryScaling {
        let factor =
            if let factor = try parameters.number(ifPresent: "rope.scaling.factor") {
                factor
            } else {
                try parameters.number(ifPresent: "rope.scale_linear") ?? 0
            }
        let type = try parameters.string(ifPresent: "rope.scaling.type") ?? "linear"
        switch type {
        case "none": return .none
        case "linear":
            guard factor >= 0, factor.isFinite else {
                throw parameters.invalid("rope.scaling.factor", "\(factor)", "0 or more")
            }
            return factor == 0 || factor == 1 ? .none : .linear(factor: factor)
        case "longrope":
            let original = try parameters.count(
                ifPresent: "rope.scaling.original_context_length", upTo: 1 << 30)
            return .longrope(originalContext: original ?? contextLength)
        default:
            throw parameters.unsupported(
                "rope.scaling.type", type, supported: "none, linear, longrope")
        }
    }
}
