// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps
internal import KernelInterface

// Panels of the formats with blocks of 32: a superblock is two blocks.

/// Half-precision scales and minima of two blocks, at the start of a superblock.
struct HalfScales {
    let column: Column

    @inline(__always) subscript(offset: Int) -> FloatVector {
        floats_from_halves(column.halves(at: offset))
    }
}

extension PanelFormat where Scales == HalfScales {
    @inline(__always) static func scales(_ column: Column) -> HalfScales {
        HalfScales(column: column)
    }
    @inline(__always) static func scale(_ scales: HalfScales, _ block: Int) -> FloatVector {
        scales[layout.factor(block)]
    }
    @inline(__always) static func minimum(_ scales: HalfScales, _ block: Int) -> FloatVector {
        scales[layout.minimumFactor(block)]
    }
}

/// The nibbles of Q4_0, scale · (q − 8).
enum Q4_0Panel: NibblePanel {
    typealias Scales = HalfScales

    @inline(__always) static var layout: PanelLayout { .nibbles }
    @inline(__always) static var zeroPoint: Int { 8 }
}

/// The nibbles of Q4_1, scale · q + minimum.
enum Q4_1Panel: NibblePanel {
    typealias Scales = HalfScales

    @inline(__always) static var layout: PanelLayout { .q4_1 }
    @inline(__always) static var minima: Minima { .perBlock }
}

/// The five bits of Q5_0, scale · (q − 16).
enum Q5_0Panel: SixBitPanel {
    typealias Scales = HalfScales

    @inline(__always) static var layout: PanelLayout { .q5_0 }
    @inline(__always) static var zeroPoint: Int { 16 }
}

/// The five bits of Q5_1, scale · q + minimum.
enum Q5_1Panel: SixBitPanel {
    typealias Scales = HalfScales

    @inline(__always) static var layout: PanelLayout { .q5_1 }
    @inline(__always) static var minima: Minima { .perBlock }
}

/// The bytes of Q8_0, scale · (q − 128).
enum Q8_0Panel: PanelFormat {
    typealias Scales = HalfScales

    @inline(__always) static var layout: PanelLayout { .q8_0 }
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        let offset = layout.pair(4 &* block &+ index, part: part)
        return (
            integers(column.weightWords(at: offset)),
            integers(column.weightWords(at: offset &+ PanelLayout.line))
        )
    }
    @inline(__always) static var zeroPoint: Int { wide_zero_point() }
    @inline(__always) static func dot(
        _ sum: IntVector, _ weights: IntVector, _ quad: IntVector
    ) -> IntVector {
        dot_bytes_wide(sum, weights, quad)
    }
}
