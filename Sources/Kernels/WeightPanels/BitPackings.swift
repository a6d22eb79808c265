// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import CVectorOps
import KernelInterface

/// A scale; 128 bits.
enum Q1_0Packing: BlockPacking {
    static var format: BlockFormat { .q1_0 }
    static var blockLength: Int { 128 }
    static var blockBytes: Int { 18 }
    static var layout: PanelLayout { .q1_0 }
    static var bufferedBytes: Int { 128 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, at index: Int, into column: ColumnBlock) {
        takeQ1_0(block, into: column.weights)
        column.factors[0] = block.half(0)
    }

    @inline(__always)
    static func writeWeights(_ group: ColumnGroup, _ column: Int, to panel: SuperblockWriter) {
        panel.writeBits(group, column)
    }
}

/// A scale; 64 bit pairs.
enum Q2_0Packing: BlockPacking {
    static var format: BlockFormat { .q2_0 }
    static var blockLength: Int { 64 }
    static var blockBytes: Int { 18 }
    static var layout: PanelLayout { .q2_0 }
    static var bufferedBytes: Int { 64 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, at index: Int, into column: ColumnBlock) {
        takeQ2_0(block, into: column.weights)
        column.factors[0] = block.half(0)
    }

    @inline(__always)
    static func writeWeights(_ group: ColumnGroup, _ column: Int, to panel: SuperblockWriter) {
        panel.writeBitPairs(group, column)
    }
}

/// 256 digits of base 3; a scale.
enum TQ1_0Packing: BlockPacking {
    static var format: BlockFormat { .tq1_0 }
    static var blockLength: Int { 256 }
    static var blockBytes: Int { 54 }
    static var layout: PanelLayout { .tq }
    static var bufferedBytes: Int { 256 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, at index: Int, into column: ColumnBlock) {
        takeTQ1_0(block, into: column.weights)
        column.factors[0] = block.half(52)
    }

    @inline(__always)
    static func writeWeights(_ group: ColumnGroup, _ column: Int, to panel: SuperblockWriter) {
        panel.writeBitPairs(group, column)
    }
}

/// 256 bit pairs; a scale.
enum TQ2_0Packing: BlockPacking {
    static var format: BlockFormat { .tq2_0 }
    static var blockLength: Int { 256 }
    static var blockBytes: Int { 66 }
    static var layout: PanelLayout { .tq }
    static var bufferedBytes: Int { 256 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, at index: Int, into column: ColumnBlock) {
        takeTQ2_0(block, into: column.weights)
        column.factors[0] = block.half(64)
    }

    @inline(__always)
    static func writeWeights(_ group: ColumnGroup, _ column: Int, to panel: SuperblockWriter) {
        panel.writeBitPairs(group, column)
    }
}
