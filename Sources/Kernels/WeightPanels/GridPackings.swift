// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import CVectorOps
import KernelInterface

/// Blocks of IQ1, IQ2 and IQ3, whose codes `GridBlock` takes out.
protocol GridPacking: BlockPacking {
    /// Reads a block, and returns the bits of its scale.
    static func take(_ block: UnsafeRawPointer, into target: GridBlock) -> UInt16
}

extension GridPacking {
    static var blockLength: Int { 256 }
    static var bufferedBytes: Int { 256 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, at index: Int, into column: ColumnBlock) {
        column.factors[0] = take(
            block, into: GridBlock(codes: column.weights, scales: column.scales))
    }

    @inline(__always)
    static func writeScales(_ block: ColumnBlock, _ column: Int, to panel: SuperblockWriter) {
        panel.writeFourBitScales(block, column)
    }
}

/// IQ1: bit pairs, and for each eight an eighth that is added or subtracted.
protocol IQ1Packing: GridPacking {}

extension IQ1Packing {
    static var layout: PanelLayout { .iq1 }

    @inline(__always)
    static func writeWeights(_ group: ColumnGroup, _ column: Int, to panel: SuperblockWriter) {
        panel.writeEighths(group, column)
        panel.writeBitPairs(group, column)
    }
}

/// IQ2: codes of three bits.
protocol IQ2Packing: GridPacking {}

extension IQ2Packing {
    static var layout: PanelLayout { .iq2 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, at index: Int, into column: ColumnBlock) {
        let scale = take(block, into: GridBlock(codes: column.weights, scales: column.scales))
        column.factors[0] = scale
    }

    @inline(__always)
    static func writeWeights(_ group: ColumnGroup, _ column: Int, to panel: SuperblockWriter) {
        panel.writeThreeBits(group, column)
    }
}

/// IQ3: codes of four bits.
protocol IQ3Packing: GridPacking {}

extension IQ3Packing {
    static var layout: PanelLayout { .iq3 }

    @inline(__always)
    static func writeWeights(_ group: ColumnGroup, _ column: Int, to panel: SuperblockWriter) {
        panel.writeNibbles(group, column)
    }
}

enum IQ1_SPacking: IQ1Packing {
    static var format: BlockFormat { .iq1_s }
    static var blockBytes: Int { 50 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, into target: GridBlock) -> UInt16 {
        target.takeIQ1_S(block)
    }
}

enum IQ1_MPacking: IQ1Packing {
    static var format: BlockFormat { .iq1_m }
    static var blockBytes: Int { 56 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, into target: GridBlock) -> UInt16 {
        target.takeIQ1_M(block)
    }
}

enum IQ2_XXSPacking: IQ2Packing {
    static var format: BlockFormat { .iq2_xxs }
    static var blockBytes: Int { 66 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, into target: GridBlock) -> UInt16 {
        target.takeIQ2_XXS(block)
    }
}

enum IQ2_XSPacking: IQ2Packing {
    static var format: BlockFormat { .iq2_xs }
    static var blockBytes: Int { 74 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, into target: GridBlock) -> UInt16 {
        target.takeIQ2_XS(block)
    }
}

enum IQ2_SPacking: IQ2Packing {
    static var format: BlockFormat { .iq2_s }
    static var blockBytes: Int { 82 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, into target: GridBlock) -> UInt16 {
        target.takeIQ2_S(block)
    }
}

enum IQ3_XXSPacking: IQ3Packing {
    static var format: BlockFormat { .iq3_xxs }
    static var blockBytes: Int { 98 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, into target: GridBlock) -> UInt16 {
        target.takeIQ3_XXS(block)
    }
}

enum IQ3_SPacking: IQ3Packing {
    static var format: BlockFormat { .iq3_s }
    static var blockBytes: Int { 110 }

    @inline(__always)
    static func take(_ block: UnsafeRawPointer, into target: GridBlock) -> UInt16 {
        target.takeIQ3_S(block)
    }
}
