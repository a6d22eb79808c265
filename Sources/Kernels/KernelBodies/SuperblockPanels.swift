// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps
internal import KernelInterface

// Panels of the formats with superblocks of 256: half-precision factors over small integer scales.

/// The factors and the eight 6-bit scales and minima of Q4_K and Q5_K.
///
/// They are read where they are used: registers are for sums.
struct SixBitScales {
    let column: Column

    /// What Q4_K and Q5_K have in common: all but the weights.
    @inline(__always) private var layout: PanelLayout { .q4_K }

    /// Four low bits of scale s are nibble s; its two high bits are in byte 1 (s < 4) or 3.
    @inline(__always) func scale(_ block: Int) -> FloatVector {
        let low = shifted(column.words(at: layout.scales), 4 &* block) & WordVector(repeating: 15)
        let bits = column.words(at: layout.upperScaleBits)
        let high =
            shifted(bits, 4 &+ 2 &* (block % 4) &+ 16 &* (block / 4))
            & WordVector(repeating: 0x30)
        return float_from_int(integers(low | high))
            * floats_from_halves(column.halves(at: layout.factors))
    }

    /// Minima 2p and 2p + 1 as 16-bit halves.
    @inline(__always) func minimumPair(_ pair: Int) -> IntVector {
        let low =
            shifted(column.words(at: layout.minima), 4 &* pair)
            & WordVector(repeating: 0x000F_000F)
        let high =
            shifted(column.words(at: layout.upperScaleBits), 2 &* pair)
            & WordVector(repeating: 0x0003_0003)
        return integers(low | high &<< WordVector(repeating: 4))
    }

    @inline(__always) var minimumFactor: FloatVector {
        floats_from_halves(column.halves(at: layout.minimumFactors))
    }
}

extension PanelFormat where Scales == SixBitScales {
    @inline(__always) static var headerLines: Int { layout.headerLines }
    @inline(__always) static var minima: Minima { .perSuperblockOf32 }
    @inline(__always) static func scales(_ column: Column) -> SixBitScales {
        SixBitScales(column: column)
    }
    @inline(__always) static func scale(_ scales: SixBitScales, _ block: Int) -> FloatVector {
        scales.scale(block)
    }
    @inline(__always) static func minimumPair(_ scales: SixBitScales, _ pair: Int) -> IntVector {
        scales.minimumPair(pair)
    }
    @inline(__always) static func minimumScale(_ scales: SixBitScales) -> FloatVector {
        scales.minimumFactor
    }
}

/// The nibbles of Q4_K, d · s · q − dmin · m.
enum Q4_KPanel: NibblePanel {
    typealias Scales = SixBitScales

    @inline(__always) static var layout: PanelLayout { .q4_K }
}

/// The five bits of Q5_K, d · s · q − dmin · m.
enum Q5_KPanel: SixBitPanel {
    typealias Scales = SixBitScales

    @inline(__always) static var layout: PanelLayout { .q5_K }
}

/// The six bits of Q6_K, d · s · (q − 32), with a signed byte s for each 16 inputs.
enum Q6_KPanel: SixBitPanel {
    @inline(__always) static var layout: PanelLayout { .q6_K }
    @inline(__always) static var zeroPoint: Int { 32 }
    @inline(__always) static var headerLines: Int { layout.headerLines }
    @inline(__always) static func scales(_ column: Column) -> Column { column }
    @inline(__always) static func scale(_ column: Column, _ block: Int) -> FloatVector {
        byteScale(column, block)
    }
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        let start = layout.sharedLine(run: 4 &* part &+ block)
        let bits = column.weightWords(at: start)
        let (low, high) = column.nibbles(at: start &+ PanelLayout.line &* (index &+ 1))
        let mask = WordVector(repeating: 0x3030_3030)
        // Quads 0, 1, 2 and 3 of the line have their upper bits at bits 4, 6, 2 and 0.
        let even = moved(bits, from: index == 0 ? 4 : 2, to: 4) & mask
        let odd = moved(bits, from: index == 0 ? 6 : 0, to: 4) & mask
        return (integers(low | even), integers(high | odd))
    }
}

extension NibblePanel {
    /// Two quads of a line of four, of two bits each.
    @inline(__always) static func bitPairs(
        _ column: Column, at offset: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        let line = column.weightWords(at: offset)
        let mask = WordVector(repeating: 0x0303_0303)
        let first = 4 &* index
        return (
            integers(shift_words_down(line, first) & mask),
            integers(shift_words_down(line, first &+ 2) & mask)
        )
    }
}

/// The two bits of Q2_K, d · s · q − dmin · m, with 4-bit s and m for each 16 inputs.
enum Q2_KPanel: NibblePanel {
    @inline(__always) static var layout: PanelLayout { .q2_K }
    @inline(__always) static var headerLines: Int { layout.headerLines }
    @inline(__always) static var minima: Minima { .perSuperblockOf16 }
    @inline(__always) static func scales(_ column: Column) -> Column { column }
    @inline(__always) static func scale(_ column: Column, _ block: Int) -> FloatVector {
        let line = column.words(at: layout.scales &+ PanelLayout.line &* (block / 8))
        let scale = shift_words_down(line, 4 &* (block % 8)) & WordVector(repeating: 15)
        return float_from_int(integers(scale))
            * floats_from_halves(column.halves(at: layout.factors))
    }
    @inline(__always) static func minimumPair(_ column: Column, _ pair: Int) -> IntVector {
        let line = column.words(at: layout.minima &+ PanelLayout.line &* (pair / 4))
        return integers(
            shift_words_down(line, 4 &* (pair % 4)) & WordVector(repeating: 0x000F_000F))
    }
    @inline(__always) static func minimumScale(_ column: Column) -> FloatVector {
        floats_from_halves(column.halves(at: layout.minimumFactors))
    }
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        bitPairs(column, at: layout.run(block, part: part), index: index)
    }
}

/// Formats whose weights, or codes of them, have three bits, in blocks of 16.
///
/// Three lines hold the eight quads of two blocks. A block's own line has quad 0 in bits 0 to 2 of its bytes, quad 1
/// in bits 3 to 5 and the upper bits of quad 3 above them. A nibble of the line before, which both blocks share,
/// has quad 2 and the lowest bit of quad 3.
protocol ThreeBitPanel: PanelFormat {}

extension ThreeBitPanel {
    /// The three bits of a pair's weights.
    @inline(__always) static func threeBits(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        let (start, second) = (layout.sharedLine(run: 2 &* part &+ block / 2), block % 2)
        let own = start &+ PanelLayout.line &* (second &+ 1)
        // Bits 0 to 5 of pair 0 are those of the block's own line, of pair 1 the nibble and the two bits above them.
        let nibble = shift_words_down(
            column.weightWords(at: index == 0 ? own : start), 4 &* index &* second)
        let upper = shift_words_down(column.weightWords(at: own), 2 &* index)
        let fields =
            nibble & WordVector(repeating: 0x0F0F_0F0F) | upper & WordVector(repeating: 0xF0F0_F0F0)
        let mask = WordVector(repeating: 0x0707_0707)
        return (integers(fields & mask), integers(shifted(fields, 3) & mask))
    }
}

/// The three bits of Q3_K, d · s · (q − 4), with a signed byte s for each 16 inputs.
enum Q3_KPanel: NibblePanel, ThreeBitPanel {
    @inline(__always) static var layout: PanelLayout { .q3_K }
    @inline(__always) static var zeroPoint: Int { 4 }
    @inline(__always) static var headerLines: Int { layout.headerLines }
    @inline(__always) static func scales(_ column: Column) -> Column { column }
    @inline(__always) static func scale(_ column: Column, _ block: Int) -> FloatVector {
        byteScale(column, block)
    }
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        threeBits(column, part: part, block: block, index: index)
    }
}
