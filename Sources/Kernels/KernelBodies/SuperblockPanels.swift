// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps

// Panels of the formats with superblocks of 256: half-precision factors over small integer scales.

/// The factors and the eight 6-bit scales and minima of Q4_K and Q5_K.
///
/// They are read where they are used: registers are for sums.
struct SixBitScales {
    let column: Column

    /// Four low bits of scale s are nibble s; its two high bits are in byte 1 (s < 4) or 3.
    @inline(__always) func scale(_ block: Int) -> FloatVector {
        let low = shifted(column.words(at: 128), 4 &* block) & WordVector(repeating: 15)
        let high =
            shifted(column.words(at: 384), 4 &+ 2 &* (block % 4) &+ 16 &* (block / 4))
            & WordVector(repeating: 0x30)
        return float_from_int(integers(low | high)) * floats_from_halves(column.halves(at: 0))
    }

    /// Minima 2p and 2p + 1 as 16-bit halves.
    @inline(__always) func minimumPair(_ pair: Int) -> IntVector {
        let low = shifted(column.words(at: 256), 4 &* pair) & WordVector(repeating: 0x000F_000F)
        let high = shifted(column.words(at: 384), 2 &* pair) & WordVector(repeating: 0x0003_0003)
        return integers(low | high &<< WordVector(repeating: 4))
    }

    @inline(__always) var minimumFactor: FloatVector {
        floats_from_halves(column.halves(at: 64))
    }
}

extension PanelFormat where Scales == SixBitScales {
    @inline(__always) static var parts: Int { 4 }
    @inline(__always) static var headerLines: Int { 4 }
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

    @inline(__always) static var superblockBytes: Int { 4608 }
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        let (low, high) = column.nibbles(at: 512 &+ 1024 &* part &+ 128 &* (4 &* block &+ index))
        return (integers(low), integers(high))
    }
}

/// The five bits of Q5_K, d · s · q − dmin · m.
enum Q5_KPanel: SixBitPanel {
    typealias Scales = SixBitScales

    @inline(__always) static var superblockBytes: Int { 5632 }
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        fiveBitWeights(column, at: 512 &+ 1280 &* part, block: block, index: index)
    }
}

/// The six bits of Q6_K, d · s · (q − 32), with a signed byte s for each 16 inputs.
enum Q6_KPanel: SixBitPanel {
    @inline(__always) static var superblockBytes: Int { 6784 }
    @inline(__always) static var headerLines: Int { 5 }
    @inline(__always) static var parts: Int { 4 }
    @inline(__always) static var blockLength: Int { 16 }
    @inline(__always) static func scales(_ column: Column) -> Column { column }
    @inline(__always) static func scale(_ column: Column, _ block: Int) -> FloatVector {
        let scale = float_from_int(column.signedBytes(at: 128 &+ 32 &* block))
        return scale * floats_from_halves(column.halves(at: 0))
    }
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        let start = 640 &+ 384 &* (4 &* part &+ block)
        let bits = column.weightWords(at: start)
        let (low, high) = column.nibbles(at: start &+ 128 &* (index &+ 1))
        let mask = WordVector(repeating: 0x3030_3030)
        // Quads 0, 1, 2 and 3 of the line have their upper bits at bits 4, 6, 2 and 0.
        let even = moved(bits, from: index == 0 ? 4 : 2, to: 4) & mask
        let odd = moved(bits, from: index == 0 ? 6 : 0, to: 4) & mask
        return (integers(low | even), integers(high | odd))
    }
    @inline(__always) static func start(_ negativeSum: IntVector) -> IntVector {
        negativeSum
    }
}

/// The two bits of Q2_K, d · s · q − dmin · m, with 4-bit s and m for each 16 inputs.
enum Q2_KPanel: NibblePanel {
    @inline(__always) static var superblockBytes: Int { 2688 }
    @inline(__always) static var headerLines: Int { 5 }
    @inline(__always) static var parts: Int { 4 }
    @inline(__always) static var blockLength: Int { 16 }
    @inline(__always) static var minima: Minima { .perSuperblockOf16 }
    @inline(__always) static func scales(_ column: Column) -> Column { column }
    @inline(__always) static func scale(_ column: Column, _ block: Int) -> FloatVector {
        let line = column.words(at: 128 &+ 128 &* (block / 8))
        let scale = shift_words_down(line, 4 &* (block % 8)) & WordVector(repeating: 15)
        return float_from_int(integers(scale)) * floats_from_halves(column.halves(at: 0))
    }
    @inline(__always) static func minimumPair(_ column: Column, _ pair: Int) -> IntVector {
        let line = column.words(at: 384 &+ 128 &* (pair / 4))
        return integers(
            shift_words_down(line, 4 &* (pair % 4)) & WordVector(repeating: 0x000F_000F))
    }
    @inline(__always) static func minimumScale(_ column: Column) -> FloatVector {
        floats_from_halves(column.halves(at: 64))
    }
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        let line = column.weightWords(at: 640 &+ 512 &* part &+ 128 &* block)
        let mask = WordVector(repeating: 0x0303_0303)
        let first = 4 &* index
        return (
            integers(shift_words_down(line, first) & mask),
            integers(shift_words_down(line, first &+ 2) & mask)
        )
    }
}

/// The three bits of Q3_K, d · s · (q − 4), with a signed byte s for each 16 inputs.
///
/// Three lines hold the eight quads of two blocks. A block's own line has quad 0 in bits 0 to 2 of its bytes, quad 1
/// in bits 3 to 5 and the upper bits of quad 3 above them. A nibble of the line before, which both blocks share,
/// has quad 2 and the lowest bit of quad 3.
enum Q3_KPanel: NibblePanel {
    @inline(__always) static var superblockBytes: Int { 3648 }
    @inline(__always) static var headerLines: Int { 4 }
    @inline(__always) static var parts: Int { 4 }
    @inline(__always) static var blockLength: Int { 16 }
    @inline(__always) static func scales(_ column: Column) -> Column { column }
    @inline(__always) static func scale(_ column: Column, _ block: Int) -> FloatVector {
        let scale = float_from_int(column.signedBytes(at: 64 &+ 32 &* block))
        return scale * floats_from_halves(column.halves(at: 0))
    }
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        let (start, second) = (576 &+ 384 &* (2 &* part &+ block / 2), block % 2)
        let own = start &+ 128 &* (second &+ 1)
        // Bits 0 to 5 of pair 0 are those of the block's own line, of pair 1 the nibble and the two bits above them.
        let nibble = shift_words_down(
            column.weightWords(at: index == 0 ? own : start), 4 &* index &* second)
        let upper = shift_words_down(column.weightWords(at: own), 2 &* index)
        let fields =
            nibble & WordVector(repeating: 0x0F0F_0F0F) | upper & WordVector(repeating: 0xF0F0_F0F0)
        let mask = WordVector(repeating: 0x0707_0707)
        return (integers(fields & mask), integers(shifted(fields, 3) & mask))
    }
    @inline(__always) static func offset(_ negativeSum: IntVector) -> IntVector {
        // Minus 32 times the sum is given.
        negativeSum &>> IntVector(repeating: 3)
    }
}
