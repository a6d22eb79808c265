// SPDX-License-Identifier: Apache-2.0

/// A layout of weights in panels of 32 columns (outputs).
///
/// A panel is a run of superblocks along the inputs, a superblock a run of lines. A line of 128 bytes has a
/// word of four bytes for each column: the weights of four inputs (a quad), of two quads in its low and
/// high nibbles, or fields of bits. Half a line has 16 bits for each column, a quarter 8. Kernels read a
/// superblock from front to back, so that the processor fetches ahead. All instruction sets read the
/// same panels.
///
/// | kind | inputs | lines of a superblock |
/// |---|---|---|
/// | q4_0, iq4_nl | 64 | ½ + ½ scales of two blocks; 8 nibbles |
/// | mxfp4 | 64 | ½ + ½ scales as bfloat16; 8 nibbles |
/// | q4_1 | 64 | ½ + ½ scales; ½ + ½ minima; 8 nibbles |
/// | q5_0 | 64 | ½ + ½ scales; 2 times 1 fifth bits and 4 nibbles |
/// | q5_1 | 64 | ½ + ½ scales; ½ + ½ minima; 2 times 1 fifth bits and 4 nibbles |
/// | q8_0 | 64 | ½ + ½ scales; 16 bytes, plus 128 |
/// | q4_K | 256 | ½ factor; ½ minimum factor; 3 six-bit scales and minima; 32 nibbles |
/// | q5_K | 256 | scales as q4_K; 8 times 1 fifth bits and 4 nibbles |
/// | iq4_xs | 256 | ½ factor; ½ + 1 six-bit scales; 32 nibbles |
/// | q6_K | 256 | ½ factor; ½ empty; 16 times ¼ scales; 16 times 1 upper bits and 2 nibbles |
/// | q2_K | 256 | ½ factor; ½ minimum factor; 2 scales; 2 minima; 16 bit pairs |
/// | q3_K | 256 | ½ factor; 16 times ¼ scales; 8 times 1 shared by two blocks of 16 and 2 of their own |
/// | f32 | 1 | 1 |
/// | f16 | 1 | ½ |
/// | bf16 | 2 | 1, the first input in the low halves of words |
public enum PanelKind: Int, CaseIterable, Sendable {
    case q4_0, q4_1, q5_0, q5_1, q8_0, iq4_nl, mxfp4, q2_K, q3_K, q4_K, q5_K, q6_K, iq4_xs
    case f32, f16, bf16

    /// The kinds whose weights are bytes or less, under scales.
    public static let quantised = allCases.filter { !$0.isFloat }

    /// Whether weights are floats.
    public var isFloat: Bool { self == .f32 || self == .f16 || self == .bf16 }

    /// Columns of a panel.
    public static let columns = 32

    /// Inputs of a superblock.
    public var superblockLength: Int {
        switch self {
        case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .iq4_nl, .mxfp4: 64
        case .q2_K, .q3_K, .q4_K, .q5_K, .q6_K, .iq4_xs: 256
        case .f32, .f16: 1
        case .bf16: 2
        }
    }

    /// Bytes of a superblock; a multiple of a cache line.
    public var superblockBytes: Int {
        switch self {
        case .q4_0, .iq4_nl, .mxfp4: 1152
        case .q4_1: 1280
        case .q5_0: 1408
        case .q5_1: 1536
        case .q8_0: 2176
        case .q2_K: 2688
        case .q3_K: 3648
        case .q4_K: 4608
        case .q5_K: 5632
        case .q6_K: 6784
        case .iq4_xs: 4352
        case .f16: 64
        case .f32, .bf16: 128
        }
    }

    /// Superblocks of `inputs` inputs; the last may be partly empty.
    public func superblocks(_ inputs: Int) -> Int {
        (inputs + superblockLength - 1) / superblockLength
    }

    /// Bytes of one panel of `inputs` inputs.
    public func panelBytes(_ inputs: Int) -> Int {
        superblocks(inputs) * superblockBytes
    }
}
