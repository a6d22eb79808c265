// SPDX-License-Identifier: Apache-2.0
import GGUF
import TensorOps
import Weights

/// The rotary embedding of a text decoder.
public struct RotaryConfig: Sendable, Equatable {
    /// Numbers of a head that it rotates.
    public let rotatedWidth: Int
    /// Base of its frequencies.
    public let base: Float
    /// The divisor of all of its frequencies, besides factors that a file may store as tensors.
    public let divisor: Float
    /// Positions that the model was first trained for: longer contexts take the long factors of
    /// longrope, where the file stores them (arXiv 2402.13753).
    public let originalContextLength: Int
    /// Factor on its cosines and sines.
    public let magnitude: Float
    /// The axis that rotates each pair of numbers; nil if time rotates all of them.
    public let axes: [Position.Axis]?  // [rotatedWidth / 2]

    init(
        _ parameters: Hyperparameters, _ attention: AttentionShape,
        _ architecture: DecoderConfig.Architecture, context: Int
    ) throws(ModelError) {
        rotatedWidth = try Self.width(parameters, attention, architecture)
        base = try parameters.positive(ifPresent: "rope.freq_base") ?? 10_000
        divisor = try Self.divisor(parameters)
        originalContextLength =
            try parameters.count(ifPresent: "rope.scaling.original_context_length", upTo: 1 << 30)
            ?? context
        magnitude = try parameters.positive(ifPresent: "rope.scaling.attn_factor") ?? 1
        axes = try Self.axes(parameters, architecture, pairs: rotatedWidth / 2)
    }

    private static func axes(
        _ parameters: Hyperparameters, _ architecture: DecoderConfig.Architecture, pairs: Int
    ) throws(ModelError) -> [Position.Axis]? {
        let key = "rope.dimension_sections"
        let expected = "three numbers of pairs, \(pairs) together"
        guard let sections = try parameters.integers(ifPresent: key) else {
            guard !architecture.needsSections else {
                throw parameters.invalid(key, "missing", expected)
            }
            return nil
        }
        guard architecture.needsSections || sections.contains(where: { $0 != 0 }) else {
            return nil
        }
        // Converters write four numbers: the last is of no use to pictures.
        guard (3...4).contains(sections.count), sections.allSatisfy({ (0...pairs).contains($0) }),
            sections.reduce(0, +) == pairs, sections.dropFirst(3).allSatisfy({ $0 == 0 })
        else {
            throw parameters.invalid(key, "\(sections.prefix(16))", expected)
        }
        return architecture.axes(sections, pairs: pairs)
    }

    private static func width(
        _ parameters: Hyperparameters, _ attention: AttentionShape,
        _ architecture: DecoderConfig.Architecture
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

    private static func divisor(_ parameters: Hyperparameters) throws(ModelError) -> Float {
        let type = try parameters.string(ifPresent: "rope.scaling.type") ?? "linear"
        switch type {
        case "linear":
            let key = "rope.scaling.factor"
            let olderFactor = try parameters.number(ifPresent: "rope.scale_linear") ?? 0
            let factor = try parameters.number(ifPresent: key) ?? olderFactor
            guard factor >= 0, factor.isFinite else {
                throw parameters.invalid(key, "\(factor)", "0 or more")
            }
            return factor == 0 ? 1 : factor
        case "none", "longrope":
            return 1
        case "yarn" where try parameters.number(ifPresent: "rope.scaling.factor") == 1:
            return 1
        default:
            throw parameters.unsupported(
                "rope.scaling.type", type, supported: "none, linear, longrope")
        }
    }
}
