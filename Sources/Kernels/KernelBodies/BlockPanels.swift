// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps

// Panels of the formats with blocks of 32: a superblock is two blocks.

/// Scales of two blocks as half-precision numbers at the start of a superblock.
struct HalfScales {
    let column: Column

    @inline(__always) subscript(block: Int) -> FloatVector {
        floats_from_halves(column.halves(at: 64 &* block))
    }
}

extension PanelFormat where Scales == HalfScales {
    @inline(__always) static func scales(_ column: Column) -> HalfScales {
        HalfScales(column: column)
    }
    @inline(__always) static func scale(_ scales: HalfScales, _ block: Int) -> FloatVector {
        scales[block]
    }
    /// Minima, where a format has them, follow the scales of both blocks.
    @inline(__always) static func minimum(_ scales: HalfScales, _ block: Int) -> FloatVector {
        scales[block &+ 2]
    }
}

/// The nibbles of Q4_0, scale · (q − 8).
enum Q4_0Panel: NibblePanel {
    typealias Scales = HalfScales

    @inline(__always) static var superblockBytes: Int { 1152 }
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        let (low, high) = column.nibbles(at: 128 &+ 128 &* (4 &* block &+ index))
        return (integers(low), integers(high))
    }
    @inline(__always) static func offset(_ negativeSum: IntVector) -> IntVector {
        negativeSum &<< IntVector(repeating: 3)
    }
}

/// The nibbles of Q4_1, scale · q + minimum.
enum Q4_1Panel: NibblePanel {
    typealias Scales = HalfScales

    @inline(__always) static var superblockBytes: Int { 1280 }
    @inline(__always) static var minima: Minima { .perBlock }
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        let (low, high) = column.nibbles(at: 256 &+ 128 &* (4 &* block &+ index))
        return (integers(low), integers(high))
    }
}

/// Blocks of five lines from `offset` on: one of fifth bits, four of nibbles.
@inline(__always)
func fiveBitWeights(
    _ column: Column, at offset: Int, block: Int, index: Int
) -> (even: IntVector, odd: IntVector) {
    let bits = column.weightWords(at: offset &+ 640 &* block)
    let (low, high) = column.nibbles(at: offset &+ 640 &* block &+ 128 &* (index &+ 1))
    let mask = WordVector(repeating: 0x1010_1010)
    // Bit q of a byte belongs to quad q of the block; as a fifth bit it is worth 16.
    let even = moved(bits, from: 2 &* index, to: 4) & mask
    let odd = moved(bits, from: 2 &* index &+ 1, to: 4) & mask
    return (integers(low | even), integers(high | odd))
}

/// The five bits of Q5_0, scale · (q − 16).
enum Q5_0Panel: SixBitPanel {
    typealias Scales = HalfScales

    @inline(__always) static var superblockBytes: Int { 1408 }
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        fiveBitWeights(column, at: 128, block: block, index: index)
    }
    @inline(__always) static func start(_ negativeSum: IntVector) -> IntVector {
        negativeSum &<< IntVector(repeating: 4)
    }
}

/// The five bits of Q5_1, scale · q + minimum.
enum Q5_1Panel: SixBitPanel {
    typealias Scales = HalfScales

    @inline(__always) static var superblockBytes: Int { 1536 }
    @inline(__always) static var minima: Minima { .perBlock }
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        fiveBitWeights(column, at: 256, block: block, index: index)
    }
}

/// The bytes of Q8_0, scale · (q − 128).
enum Q8_0Panel: PanelFormat {
    typealias Scales = HalfScales

    @inline(__always) static var superblockBytes: Int { 2176 }
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        let offset = 128 &+ 256 &* (4 &* block &+ index)
        return (
            integers(column.weightWords(at: offset)),
            integers(column.weightWords(at: offset &+ 128))
        )
    }
    @inline(__always) static func start(_ negativeSum: IntVector) -> IntVector {
        wide_start(negativeSum)
    }
    @inline(__always) static func dot(
        _ sum: IntVector, _ weights: IntVector, _ quad: IntVector
    ) -> IntVector {
        dot_bytes_wide(sum, weights, quad)
    }
}
