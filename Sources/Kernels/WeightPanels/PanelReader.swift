// SPDX-License-Identifier: Apache-2.0
import CVectorOps
public import KernelInterface

/// Reads weights back out of panels, one by one: what kernels are compared with.
public struct PanelReader: Sendable {
    /// The panels' layout.
    public let kind: PanelKind

    /// A reader of panels of one kind.
    public init(_ kind: PanelKind) { self.kind = kind }

    /// The weights of one column in one superblock, as exact as a Float is.
    ///
    /// - Parameters:
    ///   - column: 0 to 31.
    ///   - out: room for `kind.superblockLength` numbers.
    public func decode(
        _ panel: UnsafeRawPointer, superblock: Int, column: Int,
        into out: UnsafeMutablePointer<Float>
    ) {
        guard !kind.isFloat else {
            return kind.decodeFloats(
                panel + superblock * kind.superblockBytes, column: column, into: out)
        }
        let numbers = numbers(panel, superblock, column)
        for index in 0..<kind.superblockLength {
            let group = index / groupLength
            let weight = numbers.weight(kind, index)
            out[index] =
                numbers.scale(kind, group) * Float(weight - zeroPoint)
                - numbers.minimum(kind, group)
        }
    }

    /// What has been taken off the weights of a group in `decode`.
    public func minimum(
        _ panel: UnsafeRawPointer, superblock: Int, column: Int, group: Int
    ) -> Float {
        numbers(panel, superblock, column).minimum(kind, group)
    }

    /// Inputs that share a scale: 16 or 32.
    public var groupLength: Int { [.q2_K, .q3_K, .q6_K].contains(kind) ? 16 : 32 }

    private func numbers(
        _ panel: UnsafeRawPointer, _ superblock: Int, _ column: Int
    ) -> ColumnReader {
        ColumnReader(start: panel + superblock * kind.superblockBytes, column: column)
    }

    /// The stored weight that stands for zero.
    private var zeroPoint: Int {
        switch kind {
        case .q3_K: 4
        case .q4_0: 8
        case .q5_0: 16
        case .q6_K: 32
        case .q8_0, .iq4_nl, .iq4_xs, .mxfp4: 128
        case .q4_1, .q5_1, .q2_K, .q4_K, .q5_K, .f32, .f16, .bf16: 0
        }
    }
}

/// One column of a superblock.
private struct ColumnReader {
    let start: UnsafeRawPointer
    let column: Int

    /// The stored weight, unsigned.
    func weight(_ kind: PanelKind, _ index: Int) -> Int {
        switch kind {
        case .q4_0: nibble(index, at: 128)
        case .q4_1: nibble(index, at: 256)
        case .q5_0: fiveBits(index, at: 128)
        case .q5_1: fiveBits(index, at: 256)
        case .q8_0: byte(index / 4, index % 4, at: 128)
        case .iq4_nl: level(iq4_level, nibble(index, at: 128))
        case .mxfp4: level(e2m1_level, nibble(index, at: 128))
        case .iq4_xs: level(iq4_level, nibble(index, at: 256))
        case .q4_K: nibble(index, at: 512)
        case .q5_K: fiveBits(index, at: 512)
        case .q6_K: sixBits(index, at: 640)
        case .q2_K: byte(index / 16, index % 4, at: 640) >> (2 * (index / 4 % 4)) & 3
        case .q3_K: threeBits(index, at: 576)
        case .f32, .f16, .bf16: preconditionFailure("\(kind) is not quantised")
        }
    }

    /// A group's scale.
    func scale(_ kind: PanelKind, _ group: Int) -> Float {
        switch kind {
        case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .iq4_nl: half(at: 64 * group)
        case .mxfp4: Float(bitPattern: UInt32(bits(at: 64 * group)) << 16)
        case .q4_K, .q5_K:
            half(at: 0)
                * Float(
                    field(word(0, at: 128), 4 * group, 15)
                        | field(word(2, at: 128), 8 + group % 4 * 2 + group / 4 * 16, 3) << 4)
        case .q3_K: half(at: 0) * Float(signedByte(at: 64 + 32 * group))
        case .q6_K: half(at: 0) * Float(signedByte(at: 128 + 32 * group))
        case .q2_K: half(at: 0) * Float(field(word(group / 8, at: 128), group % 8 * 4, 15))
        case .iq4_xs:
            half(at: 0)
                * Float(
                    (field(word(0, at: 128), 4 * group, 15)
                        | (Int(bits(at: 64)) >> (2 * group) & 3) << 4) - 32)
        case .f32, .f16, .bf16: preconditionFailure("\(kind) is not quantised")
        }
    }

    /// What is taken off a group's weights.
    func minimum(_ kind: PanelKind, _ group: Int) -> Float {
        switch kind {
        case .q4_1, .q5_1: -half(at: 128 + 64 * group)
        case .q4_K, .q5_K:
            half(at: 64)
                * Float(
                    field(word(1, at: 128), group % 2 * 16 + group / 2 * 4, 15)
                        | field(word(2, at: 128), group % 2 * 16 + group / 2 * 2, 3) << 4)
        case .q2_K:
            half(at: 64)
                * Float(field(word(group / 8, at: 384), group % 2 * 16 + group % 8 / 2 * 4, 15))
        default: 0
        }
    }

    private func nibble(_ index: Int, at offset: Int) -> Int {
        byte(index / 8, index % 4, at: offset) >> (index / 4 % 2 * 4) & 15
    }

    /// A line of fifth bits stands before every four lines of nibbles.
    private func fiveBits(_ index: Int, at offset: Int) -> Int {
        let start = offset + 640 * (index / 32)
        let bit = byte(0, index % 4, at: start) >> (index % 32 / 4) & 1
        return nibble(index % 32, at: start + 128) | bit << 4
    }

    /// A line of upper bits stands before every two lines of nibbles.
    private func sixBits(_ index: Int, at offset: Int) -> Int {
        let start = offset + 384 * (index / 16)
        let shift = [4, 6, 2, 0][index / 4 % 4]
        let upper = byte(0, index % 4, at: start) >> shift & 3
        return nibble(index % 16, at: start + 128) | upper << 4
    }

    /// A line that two blocks of 16 share stands before a line of each.
    private func threeBits(_ index: Int, at offset: Int) -> Int {
        let start = offset + 384 * (index / 32)
        let shared = byte(0, index % 4, at: start) >> (index / 16 % 2 * 4)
        let own = byte(1 + index / 16 % 2, index % 4, at: start)
        return switch index / 4 % 4 {
        case 0: own & 7
        case 1: own >> 3 & 7
        case 2: shared & 7
        default: shared >> 3 & 1 | (own >> 6) << 1
        }
    }

    private func level(_ table: (Int32) -> Int32, _ nibble: Int) -> Int {
        Int(table(Int32(nibble)))
    }

    private func field(_ word: UInt32, _ shift: Int, _ mask: Int) -> Int {
        Int(word >> UInt32(shift)) & mask
    }

    private func half(at offset: Int) -> Float { float_from_half(bits(at: offset)) }

    private func bits(at offset: Int) -> UInt16 {
        start.loadUnaligned(fromByteOffset: offset + 2 * column, as: UInt16.self)
    }

    private func signedByte(at offset: Int) -> Int8 {
        start.load(fromByteOffset: offset + column, as: Int8.self)
    }

    private func byte(_ line: Int, _ byte: Int, at offset: Int) -> Int {
        Int(start.load(fromByteOffset: offset + 128 * line + 4 * column + byte, as: UInt8.self))
    }

    private func word(_ line: Int, at offset: Int) -> UInt32 {
        start.loadUnaligned(fromByteOffset: offset + 128 * line + 4 * column, as: UInt32.self)
    }
}
