// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps
internal import KernelInterface

// Panels of IQ1, IQ2 and IQ3, whose grids packing has looked up. Weights are levels under d · (2 · s + 1), with an s of
// four bits for each block.

/// Formats with such scales, which are read from a `Column`.
protocol OddScalePanel: PanelFormat {
    /// What the scales of levels are multiplied by.
    static var unit: Float { get }
}

// The protocol does not require `Scales == Column`: that would need metadata of `Column` at run time, and with it
// functions that other modules share.
extension OddScalePanel where Scales == Column {
    @inline(__always) static var headerLines: Int { layout.headerLines }
    @inline(__always) static func scales(_ column: Column) -> Column { column }
    @inline(__always) static func scale(_ column: Column, _ block: Int) -> FloatVector {
        let line = column.words(at: layout.scales &+ PanelLayout.line &* (block / 8))
        let scale = shift_words_down(line, 4 &* (block % 8)) & WordVector(repeating: 15)
        let odd = scale &<< WordVector(repeating: 1) | WordVector(repeating: 1)
        return float_from_int(integers(odd))
            * (floats_from_halves(column.halves(at: layout.factors)) * FloatVector(repeating: unit))
    }
}

/// The levels of IQ1 in eighths: q from -1 to 1, plus or minus an eighth for each eight weights.
enum IQ1Panel: OddScalePanel, SixBitPanel {
    typealias Scales = Column

    @inline(__always) static var layout: PanelLayout { .iq1 }
    @inline(__always) static var unit: Float { 0.125 }
    @inline(__always) static var zeroPoint: Int { 16 }
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        let line = column.weightWords(at: layout.run(block, part: part))
        let eighth = twos_where_set(
            column.words(at: layout.eighths), 8 &* part &+ 2 &* block &+ index)
        let mask = WordVector(repeating: 0x1818_1818)
        let added = eighth &+ WordVector(repeating: 0x0707_0707)
        return (
            integers((moved(line, from: 4 &* index, to: 3) & mask) &+ added),
            integers((moved(line, from: 4 &* index &+ 2, to: 3) & mask) &+ added)
        )
    }
}

/// The three bits of IQ2, which name one of six levels in eighths, or zero.
enum IQ2Panel: OddScalePanel, ThreeBitPanel {
    typealias Scales = Column

    @inline(__always) static var layout: PanelLayout { .iq2 }
    @inline(__always) static var unit: Float { 0.125 }
    @inline(__always) static var zeroPoint: Int { 64 }
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        let codes = threeBits(column, part: part, block: block, index: index)
        return (iq2_levels(codes.even), iq2_levels(codes.odd))
    }
}

/// The nibbles of IQ3_XXS, which name levels in quarters.
enum IQ3_XXSPanel: OddScalePanel {
    typealias Scales = Column

    @inline(__always) static var layout: PanelLayout { .iq3 }
    @inline(__always) static var unit: Float { 0.25 }
    @inline(__always) static var zeroPoint: Int { 64 }
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        let (low, high) = column.nibbles(at: layout.pair(4 &* block &+ index, part: part))
        return (iq3_xxs_levels(integers(low)), iq3_xxs_levels(integers(high)))
    }
}

/// The nibbles of IQ3_S, which name odd numbers from -15 to 15.
enum IQ3_SPanel: OddScalePanel, SixBitPanel {
    typealias Scales = Column

    @inline(__always) static var layout: PanelLayout { .iq3 }
    @inline(__always) static var unit: Float { 1 }
    @inline(__always) static var zeroPoint: Int { 16 }
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        let (low, high) = column.nibbles(at: layout.pair(4 &* block &+ index, part: part))
        return (iq3_s_levels(integers(low)), iq3_s_levels(integers(high)))
    }
}
