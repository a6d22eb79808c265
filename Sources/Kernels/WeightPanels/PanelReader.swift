// SPDX-License-Identifier: Apache-2.0
import CVectorOps
public import KernelInterface

/// Reads weights back out of panels, one by one, as a reference for kernels.
public struct PanelReader: Sendable {
    /// The panels' layout.
    public let kind: PanelKind

    /// A reader of panels of one kind.
    public init(_ kind: PanelKind) { self.kind = kind }

    /// The weights of one column in one superblock, rounded only to Float.
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

    /// The minimum that `decode` subtracts from the weights of a group.
    public func minimum(
        _ panel: UnsafeRawPointer, superblock: Int, column: Int, group: Int
    ) -> Float {
        numbers(panel, superblock, column).minimum(kind, group)
    }

    /// Inputs that share a scale: 16 or 32.
    public var groupLength: Int { kind.layout.blockLength }

    private func numbers(
        _ panel: UnsafeRawPointer, _ superblock: Int, _ column: Int
    ) -> ColumnReader {
        ColumnReader(
            start: panel + superblock * kind.superblockBytes, column: column, layout: kind.layout)
    }

    /// The stored weight that stands for zero.
    private var zeroPoint: Int {
        switch kind {
        case .q1_0, .q2_0, .tq: 1
        case .q3_K: 4
        case .q4_0: 8
        case .iq1: 9
        case .q5_0, .iq3_s, .nvfp4: 16
        case .q6_K: 32
        case .iq2, .iq3_xxs: 64
        case .q8_0, .iq4_nl, .iq4_xs, .mxfp4: 128
        case .q4_1, .q5_1, .q2_K, .q4_K, .q5_K, .f32, .f16, .bf16: 0
        }
    }
}

/// One column of a superblock.
private struct ColumnReader {
    let start: UnsafeRawPointer
    let column: Int
    let layout: PanelLayout

    /// The stored weight, unsigned.
    func weight(_ kind: PanelKind, _ index: Int) -> Int {
        switch kind {
        case .q4_0, .q4_1, .q4_K: nibble(index)
        case .q5_0, .q5_1, .q5_K: fiveBits(index)
        case .q8_0: byte(index % 4, at: layout.line(index / 4))
        case .iq4_nl, .iq4_xs: level(iq4_level, nibble(index))
        case .mxfp4: level(e2m1_level, nibble(index))
        case .q6_K: sixBits(index)
        case .q1_0: 2 * (byte(index % 4, at: layout.line(index / 32)) >> (index / 4 % 8) & 1)
        case .q2_K, .q2_0, .tq: bitPair(index)
        case .iq1:
            8 * bitPair(index) + 2 * field(word(at: layout.eighths), index / 8, 1)
        case .q3_K: threeBits(index)
        case .iq2: level(iq2_level, threeBits(index))
        case .iq3_xxs: level(iq3_xxs_level, nibble(index))
        case .iq3_s: level(iq3_s_level, nibble(index))
        case .nvfp4: level(small_e2m1_level, nibble(index))
        case .f32, .f16, .bf16: preconditionFailure("\(kind) is not quantised")
        }
    }

    /// A group's scale.
    func scale(_ kind: PanelKind, _ group: Int) -> Float {
        switch kind {
        case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .iq4_nl: half(at: layout.factor(group))
        case .q1_0, .q2_0, .tq: half(at: layout.factors)
        case .iq1, .iq2: oddScale(group) * 0.125
        case .iq3_xxs: oddScale(group) * 0.25
        case .iq3_s: oddScale(group)
        case .nvfp4:
            float_from_half(UInt16(signedByte(at: layout.byteScale(group))) << 7) * 0x1p7
        case .mxfp4: Float(bitPattern: UInt32(bits(at: layout.factor(group))) << 16)
        case .q4_K, .q5_K:
            half(at: layout.factors)
                * Float(
                    field(word(at: layout.scales), 4 * group, 15)
                        | field(
                            word(at: layout.upperScaleBits),
                            8 + group % 4 * 2 + group / 4 * 16, 3) << 4)
        case .q3_K, .q6_K:
            half(at: layout.factors) * Float(signedByte(at: layout.byteScale(group)))
        case .q2_K: half(at: layout.factors) * Float(fourBitScale(group))
        case .iq4_xs:
            half(at: layout.factors)
                * Float(
                    (field(word(at: layout.scales), 4 * group, 15)
                        | (Int(bits(at: layout.upperScaleBits)) >> (2 * group) & 3) << 4) - 32)
        case .f32, .f16, .bf16: preconditionFailure("\(kind) is not quantised")
        }
    }

    /// The minimum that is subtracted from a group's weights.
    func minimum(_ kind: PanelKind, _ group: Int) -> Float {
        switch kind {
        case .q4_1, .q5_1: -half(at: layout.minimumFactor(group))
        case .q4_K, .q5_K:
            half(at: layout.minimumFactors)
                * Float(
                    field(word(at: layout.minima), group % 2 * 16 + group / 2 * 4, 15)
                        | field(
                            word(at: layout.upperScaleBits), group % 2 * 16 + group / 2 * 2, 3)
                        << 4)
        case .q2_K:
            half(at: layout.minimumFactors)
                * Float(
                    field(
                        word(group / 8, at: layout.minima), group % 2 * 16 + group % 8 / 2 * 4,
                        15))
        default: 0
        }
    }

    /// The superblock's factor times 2 · s + 1.
    private func oddScale(_ group: Int) -> Float {
        half(at: layout.factors) * Float(2 * fourBitScale(group) + 1)
    }

    private func fourBitScale(_ group: Int) -> Int {
        field(word(group / 8, at: layout.scales), group % 8 * 4, 15)
    }

    /// Two bits of a line of 16 inputs.
    private func bitPair(_ index: Int) -> Int {
        byte(index % 4, at: layout.line(index / 16)) >> (2 * (index / 4 % 4)) & 3
    }

    private func nibble(_ index: Int) -> Int {
        byte(index % 4, at: layout.line(index / 8)) >> (index / 4 % 2 * 4) & 15
    }

    /// A nibble and a bit of the shared line of 32 inputs.
    private func fiveBits(_ index: Int) -> Int {
        let bits = byte(index % 4, at: layout.sharedLine(run: index / 32))
        return nibble(index) | (bits >> (index % 32 / 4) & 1) << 4
    }

    /// A nibble and two bits of the shared line of 16 inputs.
    private func sixBits(_ index: Int) -> Int {
        let bits = byte(index % 4, at: layout.sharedLine(run: index / 16))
        return nibble(index) | (bits >> [4, 6, 2, 0][index / 4 % 4] & 3) << 4
    }

    /// Bits of a line of 16 inputs, and of one that 32 share.
    private func threeBits(_ index: Int) -> Int {
        let shared =
            byte(index % 4, at: layout.sharedLine(run: index / 32)) >> (index / 16 % 2 * 4)
        let own = byte(index % 4, at: layout.line(index / 16))
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

    /// A byte of the column's word in a line.
    private func byte(_ byte: Int, at line: Int) -> Int {
        Int(start.load(fromByteOffset: line + 4 * column + byte, as: UInt8.self))
    }

    /// The column's word in one of the lines from `offset` on.
    private func word(_ line: Int = 0, at offset: Int) -> UInt32 {
        start.loadUnaligned(
            fromByteOffset: offset + PanelLayout.line * line + 4 * column, as: UInt32.self)
    }
}
