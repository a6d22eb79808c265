// SPDX-License-Identifier: Apache-2.0
public import BlockFormats

/// The formats that floats can be rounded to.
public enum BlockEncoding: String, CaseIterable, Sendable {
    /// Bytes: the error is a 250th of a block's largest number.
    case q8_0
    /// Four bits: the error is a 16th of a block's largest number.
    case q4_0
    /// bf16: the error is a 256th of a number.
    case bf16

    /// The format of the blocks.
    public var format: BlockFormat {
        switch self {
        case .q8_0: .q8_0
        case .q4_0: .q4_0
        case .bf16: .bf16
        }
    }

    /// Rounds `count` numbers, whole blocks of them, to `format.byteCount(of: count)` bytes.
    public func encode(
        _ source: UnsafePointer<Float>, count: Int, into destination: UnsafeMutableRawPointer
    ) {
        switch self {
        case .q8_0: encodeQ8_0(source, count: count, into: destination)
        case .q4_0: encodeQ4_0(source, count: count, into: destination)
        case .bf16: encodeBF16(source, count: count, into: destination)
        }
    }
}
