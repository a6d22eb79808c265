// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import CVectorOps
import KernelInterface

/// Sixteen scales and minima of four bits; 256 bit pairs; the factors of both.
enum Q2_KPacking: BlockPacking {
    static var format: BlockFormat { .q2_K }
    static var blockLength: Int { 256 }
    static var blockBytes: Int { 84 }
    static var layout: PanelLayout { .q2_K }
    static var bufferedBytes: Int { 256 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, at index: Int, into column: ColumnBlock) {
        column.factors[0] = block.half(80)
        column.minimumFactors[0] = block.half(82)
        for group in 0..<16 {
            column.scales[group] = block.byte(group) & 15
            column.minima[group] = block.byte(group) &>> 4
            let source = block + (16 &+ group / 8 &* 32 &+ group % 2 &* 16)
            column.takePairs(source, shift: group & 6, at: 16 &* group)
        }
    }

    @inline(__always)
    static func writeScales(_ block: ColumnBlock, _ column: Int, to panel: SuperblockWriter) {
        panel.writeFourBitScales(block, column)
        panel.writeFourBitMinima(block, column)
    }

    @inline(__always)
    static func writeWeights(_ group: ColumnGroup, _ column: Int, to panel: SuperblockWriter) {
        panel.writeBitPairs(group, column)
    }
}

/// scale · (s − 32) · (q − 4), with s − 32 as a signed byte.
enum Q3_KPacking: BlockPacking {
    static var format: BlockFormat { .q3_K }
    static var blockLength: Int { 256 }
    static var blockBytes: Int { 110 }
    static var layout: PanelLayout { .q3_K }
    static var bufferedBytes: Int { 256 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, at index: Int, into column: ColumnBlock) {
        column.factors[0] = block.half(108)
        for group in 0..<16 {
            let low = block.byte(96 &+ group % 8) &>> UInt8(truncatingIfNeeded: group / 8 &* 4)
            let high = block.byte(104 &+ group % 4) &>> UInt8(truncatingIfNeeded: group / 4 &* 2)
            column.scales[group] = (low & 15 | (high & 3) &<< 4) &- 32
            let (place, target) = (group % 2 &* 16, column.weights + 16 &* group)
            let source = block + (32 &+ group / 8 &* 32 &+ place)
            column.takePairs(source, shift: group & 6, at: 16 &* group)
            let bits = block.words(place).shifted(right: group / 2) & .ofBytes(1)
            (UnsafeRawPointer(target).words(0) | bits &<< 2).store(target)
        }
    }

    @inline(__always)
    static func writeScales(_ block: ColumnBlock, _ column: Int, to panel: SuperblockWriter) {
        panel.writeByteScales(block, column)
    }

    @inline(__always)
    static func writeWeights(_ group: ColumnGroup, _ column: Int, to panel: SuperblockWriter) {
        panel.writeThreeBits(group, column)
    }
}

/// The factors of scales and minima; eight of both, of six bits; 256 nibbles.
enum Q4_KPacking: BlockPacking {
    static var format: BlockFormat { .q4_K }
    static var blockLength: Int { 256 }
    static var blockBytes: Int { 144 }
    static var layout: PanelLayout { .q4_K }
    static var bufferedBytes: Int { 128 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, at index: Int, into column: ColumnBlock) {
        column.factors[0] = block.half(0)
        column.minimumFactors[0] = block.half(2)
        column.takeSixBitScales(block + 4)
        column.takeBytes(block + 16, at: 0, count: 128)
    }

    @inline(__always)
    static func writeScales(_ block: ColumnBlock, _ column: Int, to panel: SuperblockWriter) {
        panel.writeSixBitScales(block, column)
    }

    @inline(__always)
    static func writeWeights(_ group: ColumnGroup, _ column: Int, to panel: SuperblockWriter) {
        panel.writePairs(group, of: 8, column)
    }
}

/// As Q4_K, with 256 fifth bits before the nibbles.
enum Q5_KPacking: BlockPacking {
    static var format: BlockFormat { .q5_K }
    static var blockLength: Int { 256 }
    static var blockBytes: Int { 176 }
    static var layout: PanelLayout { .q5_K }
    static var bufferedBytes: Int { 256 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, at index: Int, into column: ColumnBlock) {
        column.factors[0] = block.half(0)
        column.minimumFactors[0] = block.half(2)
        column.takeSixBitScales(block + 4)
        for half in stride(from: 0, to: 32, by: 16) {
            let bits = block.words(16 &+ half)
            for pair in 0..<4 {
                let nibbles = block.words(48 &+ 32 &* pair &+ half)
                let target = column.weights + (64 &* pair &+ half)
                let (low, high) = (
                    bits.shifted(right: 2 &* pair), bits.shifted(right: 2 &* pair &+ 1)
                )
                (nibbles & .ofBytes(15) | (low & .ofBytes(1)) &<< 4).store(target)
                (nibbles &>> 4 & .ofBytes(15) | (high & .ofBytes(1)) &<< 4).store(target + 32)
            }
        }
    }

    @inline(__always)
    static func writeScales(_ block: ColumnBlock, _ column: Int, to panel: SuperblockWriter) {
        panel.writeSixBitScales(block, column)
    }

    @inline(__always)
    static func writeWeights(_ group: ColumnGroup, _ column: Int, to panel: SuperblockWriter) {
        panel.writeFiveBits(group, column)
    }
}

/// 256 nibbles; 256 bit pairs; sixteen signed bytes, scales, and their factor.
enum Q6_KPacking: BlockPacking {
    static var format: BlockFormat { .q6_K }
    static var blockLength: Int { 256 }
    static var blockBytes: Int { 210 }
    static var layout: PanelLayout { .q6_K }
    static var bufferedBytes: Int { 256 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, at index: Int, into column: ColumnBlock) {
        column.factors[0] = block.half(208)
        for half in 0..<2 {
            for offset in stride(from: 0, to: 32, by: 16) {
                let high = block.words(128 &+ 32 &* half &+ offset)
                for quarter in 0..<4 {
                    let nibbles = block.words(64 &* half &+ quarter % 2 &* 32 &+ offset)
                    let low = nibbles.shifted(right: quarter / 2 &* 4) & .ofBytes(15)
                    let upper = high.shifted(right: 2 &* quarter) & .ofBytes(3)
                    let target = column.weights + (128 &* half &+ 32 &* quarter &+ offset)
                    (low | upper &<< 4).store(target)
                }
            }
        }
        for group in 0..<16 { column.scales[group] = block.byte(192 &+ group) }
    }

    @inline(__always)
    static func writeScales(_ block: ColumnBlock, _ column: Int, to panel: SuperblockWriter) {
        panel.writeByteScales(block, column)
    }

    @inline(__always)
    static func writeWeights(_ group: ColumnGroup, _ column: Int, to panel: SuperblockWriter) {
        panel.writeSixBits(group, column)
    }
}

/// A factor; eight scales of six bits; 256 nibbles that index a table.
///
/// Scales stay six bits; the kernel subtracts 32 from them.
enum IQ4_XSPacking: BlockPacking {
    static var format: BlockFormat { .iq4_xs }
    static var blockLength: Int { 256 }
    static var blockBytes: Int { 136 }
    static var layout: PanelLayout { .iq4_xs }
    static var bufferedBytes: Int { 128 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, at index: Int, into column: ColumnBlock) {
        column.factors[0] = block.half(0)
        let upper = block.half(2)
        for group in 0..<8 {
            let pair = block.byte(4 &+ group / 2)
            let low = pair &>> UInt8(truncatingIfNeeded: group % 2 &* 4) & 15
            let high = upper &>> UInt16(truncatingIfNeeded: 2 &* group) & 3
            column.scales[group] = low | UInt8(truncatingIfNeeded: high) &<< 4
        }
        column.takeBytes(block + 8, at: 0, count: 128)
    }

    @inline(__always)
    static func writeScales(_ block: ColumnBlock, _ column: Int, to panel: SuperblockWriter) {
        panel.writeSplitScales(block, column)
    }
}
