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
    case iq4_nl = 20
    case iq4_xs = 23
    case bf16 = 30
    case mxfp4 = 39

    /// Elements in one block: 1 for the float formats, 32 or 256 for the quantised ones.
    public var blockLength: Int {
        switch self {
        case .f32, .f16, .bf16: 1
        case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .iq4_nl, .mxfp4: 32
        case .q2_K, .q3_K, .q4_K, .q5_K, .q6_K, .iq4_xs: 256
        }
    }

    /// Bytes of one block.
    public var blockBytes: Int {
        switch self {
        case .f32: 4
        case .f16, .bf16: 2
        case .q4_0, .iq4_nl: 18
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
        case .iq4_xs: 136
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
