// SPDX-License-Identifier: Apache-2.0

/// A layout of weights in panels of 32 columns (outputs); `PanelLayout` draws each.
public enum PanelKind: Int, CaseIterable, Sendable {
    case q4_0, q4_1, q5_0, q5_1, q8_0, iq4_nl, mxfp4, q2_K, q3_K, q4_K, q5_K, q6_K, iq4_xs
    /// Weights of one bit, or of two: Q2_0 with a scale for each 64 inputs, TQ with one for each 256.
    case q1_0, q2_0, tq
    /// Weights of IQ1 and IQ2, of every variant, and of IQ3.
    case iq1, iq2, iq3_xxs, iq3_s
    case nvfp4
    case f32, f16, bf16

    /// The kinds whose weights are bytes or less, under scales.
    public static let quantised = allCases.filter { !$0.isFloat }

    /// Whether weights are floats.
    public var isFloat: Bool { self == .f32 || self == .f16 || self == .bf16 }

    /// Columns of a panel.
    public static let columns = 32

    /// Where a superblock keeps its numbers.
    public var layout: PanelLayout {
        switch self {
        case .q4_0, .iq4_nl, .mxfp4: .nibbles
        case .q4_1: .q4_1
        case .q5_0: .q5_0
        case .q5_1: .q5_1
        case .q8_0: .q8_0
        case .q2_K: .q2_K
        case .q3_K: .q3_K
        case .q4_K: .q4_K
        case .q5_K: .q5_K
        case .q6_K: .q6_K
        case .iq4_xs: .iq4_xs
        case .q1_0: .q1_0
        case .q2_0: .q2_0
        case .tq: .tq
        case .iq1: .iq1
        case .iq2: .iq2
        case .iq3_xxs, .iq3_s: .iq3
        case .nvfp4: .nvfp4
        case .f32: .f32
        case .f16: .f16
        case .bf16: .bf16
        }
    }

    /// Inputs of a superblock.
    public var superblockLength: Int { layout.superblockLength }

    /// Bytes of a superblock; a multiple of a cache line.
    public var superblockBytes: Int { layout.superblockBytes }

    /// Superblocks of `inputs` inputs; the last may be partly empty.
    public func superblocks(_ inputs: Int) -> Int {
        (inputs + superblockLength - 1) / superblockLength
    }

    /// Bytes of one panel of `inputs` inputs.
    public func panelBytes(_ inputs: Int) -> Int {
        superblocks(inputs) * superblockBytes
    }
}
