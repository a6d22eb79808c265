// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import CVectorOps
import KernelInterface

/// A scale; 32 nibbles.
enum Q4_0Packing: BlockPacking {
    static var format: BlockFormat { .q4_0 }
    static var blockLength: Int { 32 }
    static var blockBytes: Int { 18 }
    static var layout: PanelLayout { .nibbles }
    static var bufferedBytes: Int { 32 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, at index: Int, into column: ColumnBlock) {
        column.takeBytes(block + 2, at: 16 &* index, count: 16)
        column.factors[index] = block.half(0)
    }
}

/// A scale and a minimum; 32 nibbles.
enum Q4_1Packing: BlockPacking {
    static var format: BlockFormat { .q4_1 }
    static var blockLength: Int { 32 }
    static var blockBytes: Int { 20 }
    static var layout: PanelLayout { .q4_1 }
    static var bufferedBytes: Int { 32 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, at index: Int, into column: ColumnBlock) {
        column.takeBytes(block + 4, at: 16 &* index, count: 16)
        column.minimumFactors[index] = block.half(2)
        column.factors[index] = block.half(0)
    }
}

/// A scale; 32 fifth bits; 32 nibbles.
enum Q5_0Packing: BlockPacking {
    static var format: BlockFormat { .q5_0 }
    static var blockLength: Int { 32 }
    static var blockBytes: Int { 22 }
    static var layout: PanelLayout { .q5_0 }
    static var bufferedBytes: Int { 64 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, at index: Int, into column: ColumnBlock) {
        column.takeFiveBits(block + 6, bits: block + 2, at: 32 &* index)
        column.factors[index] = block.half(0)
    }

    @inline(__always)
    static func writeWeights(_ group: ColumnGroup, _ column: Int, to panel: SuperblockWriter) {
        panel.writeFiveBits(group, column)
    }
}

/// A scale and a minimum; 32 fifth bits; 32 nibbles.
enum Q5_1Packing: BlockPacking {
    static var format: BlockFormat { .q5_1 }
    static var blockLength: Int { 32 }
    static var blockBytes: Int { 24 }
    static var layout: PanelLayout { .q5_1 }
    static var bufferedBytes: Int { 64 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, at index: Int, into column: ColumnBlock) {
        column.takeFiveBits(block + 8, bits: block + 4, at: 32 &* index)
        column.minimumFactors[index] = block.half(2)
        column.factors[index] = block.half(0)
    }

    @inline(__always)
    static func writeWeights(_ group: ColumnGroup, _ column: Int, to panel: SuperblockWriter) {
        panel.writeFiveBits(group, column)
    }
}

/// A scale; 32 signed bytes.
enum Q8_0Packing: BlockPacking {
    static var format: BlockFormat { .q8_0 }
    static var blockLength: Int { 32 }
    static var blockBytes: Int { 34 }
    static var layout: PanelLayout { .q8_0 }
    static var bufferedBytes: Int { 64 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, at index: Int, into column: ColumnBlock) {
        for offset in stride(from: 0, to: 32, by: 16) {
            let bytes = block.words(2 &+ offset) ^ .ofBytes(0x80)
            bytes.store(column.weights + (32 &* index &+ offset))
        }
        column.factors[index] = block.half(0)
    }

    @inline(__always)
    static func writeWeights(_ group: ColumnGroup, _ column: Int, to panel: SuperblockWriter) {
        for quad in 0..<16 {
            panel.writeWords(group.word(quad), at: layout.line(quad), column)
        }
    }
}

/// A scale; 32 nibbles that index a table.
enum IQ4_NLPacking: BlockPacking {
    static var format: BlockFormat { .iq4_nl }
    static var blockLength: Int { 32 }
    static var blockBytes: Int { 18 }
    static var layout: PanelLayout { .nibbles }
    static var bufferedBytes: Int { 32 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, at index: Int, into column: ColumnBlock) {
        column.takeBytes(block + 2, at: 16 &* index, count: 16)
        column.factors[index] = block.half(0)
    }
}

/// An exponent; 32 nibbles that index a table.
enum MXFP4Packing: BlockPacking {
    static var format: BlockFormat { .mxfp4 }
    static var blockLength: Int { 32 }
    static var blockBytes: Int { 17 }
    static var layout: PanelLayout { .nibbles }
    static var bufferedBytes: Int { 32 }
    /// Scales are bf16 numbers, whose bits could be an infinity in half precision.
    static var refusesInfinity: Bool { false }

    /// Half of 2^(e − 127) in bf16, as MXFP4's levels are doubled.
    @inline(__always)
    private static func bfloatScale(_ exponent: UInt8) -> UInt16 {
        exponent < 2 ? 0x20 << UInt16(exponent) : UInt16(exponent - 1) << 7
    }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, at index: Int, into column: ColumnBlock) {
        column.takeBytes(block + 1, at: 16 &* index, count: 16)
        column.factors[index] = bfloatScale(block.byte(0))
    }
}

/// Four scales of exponent and fraction; 64 nibbles that index a table.
enum NVFP4Packing: BlockPacking {
    static var format: BlockFormat { .nvfp4 }
    static var blockLength: Int { 64 }
    static var blockBytes: Int { 36 }
    static var layout: PanelLayout { .nvfp4 }
    static var bufferedBytes: Int { 64 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, at index: Int, into column: ColumnBlock) {
        for group in 0..<4 {
            let nibbles = block.loadUnaligned(fromByteOffset: 4 &+ 8 &* group, as: UInt64.self)
            let target = UnsafeMutableRawPointer(column.weights + 16 &* group)
            target.storeBytes(of: nibbles & 0x0F0F_0F0F_0F0F_0F0F, as: UInt64.self)
            target.storeBytes(
                of: nibbles &>> 4 & 0x0F0F_0F0F_0F0F_0F0F, toByteOffset: 8, as: UInt64.self)
            let scale = block.byte(group)
            // 0x7F, not a number, counts as zero.
            column.scales[group] = scale == 0x7F ? 0 : scale & 0x7F
        }
    }

    @inline(__always)
    static func writeScales(_ block: ColumnBlock, _ column: Int, to panel: SuperblockWriter) {
        panel.writeByteScales(block, column)
    }

    @inline(__always)
    static func writeWeights(_ group: ColumnGroup, _ column: Int, to panel: SuperblockWriter) {
        panel.writeNibbles(group, column)
    }
}
