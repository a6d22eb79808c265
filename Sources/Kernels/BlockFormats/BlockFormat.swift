// SPDX-License-Identifier: Apache-2.0

/// A storage format of tensor elements in GGUF files; the raw value is ggml's type number.
///
/// Quantised formats store `blockLength` consecutive elements of a row in `blockBytes` bytes.
/// Layouts: ggml's `ggml-common.h`.
public enum BlockFormat: UInt32, CaseIterable, Sendable {
    case f32 = 0
    case f16 = 1
    case q4_0 = 2
    case q4_1 = 3
    case q5_0 = 6
    case q5_1 = 7
    case q8_0 = 8
    case q2_K = 10
    case q3_K = 11
    case q4_K = 12
    case q5_K = 13
    case q6_K = 14
    case iq2_xxs = 16
    case iq2_xs = 17
    case iq3_xxs = 18
    case iq1_s = 19
    case iq4_nl = 20
    case iq3_s = 21
    case iq2_s = 22
    case iq4_xs = 23
    case iq1_m = 29
    case bf16 = 30
    case tq1_0 = 34
    case tq2_0 = 35
    case mxfp4 = 39
    case nvfp4 = 40
    case q1_0 = 41
    case q2_0 = 42

    /// Elements in one block: 1 for the float formats, 32 to 256 for the quantised ones.
    public var blockLength: Int {
        switch self {
        case .f32, .f16, .bf16: 1
        case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .iq4_nl, .mxfp4: 32
        case .nvfp4, .q2_0: 64
        case .q1_0: 128
        case .q2_K, .q3_K, .q4_K, .q5_K, .q6_K, .iq4_xs: 256
        case .iq1_s, .iq1_m, .iq2_xxs, .iq2_xs, .iq2_s, .iq3_xxs, .iq3_s: 256
        case .tq1_0, .tq2_0: 256
        }
    }

    /// Bytes of one block.
    public var blockBytes: Int {
        switch self {
        case .f32: 4
        case .f16, .bf16: 2
        case .q4_0, .iq4_nl, .q1_0, .q2_0: 18
        case .q4_1: 20
        case .q5_0: 22
        case .q5_1: 24
        case .q8_0: 34
        case .mxfp4: 17
        case .q2_K: 84
        case .q3_K: 110
        case .q4_K: 144
        case .q5_K: 176
        case .q6_K: 210
        case .iq1_s: 50
        case .iq1_m: 56
        case .iq2_xxs: 66
        case .iq2_xs: 74
        case .iq2_s: 82
        case .iq3_xxs: 98
        case .iq3_s: 110
        case .iq4_xs: 136
        case .tq1_0: 54
        case .tq2_0: 66
        case .nvfp4: 36
        }
    }

    /// The name that llama.cpp's tools print, such as `Q4_K`.
    public var name: String { "\(self)".uppercased() }

    /// Bytes that `count` consecutive elements take; `count` is a multiple of `blockLength`.
    public func byteCount(of count: Int) -> Int {
        precondition(count % blockLength == 0, "\(count) elements do not fill \(name) blocks")
        return count / blockLength * blockBytes
    }
}
