// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps
internal import KernelInterface

// Panels whose nibbles name one of 16 levels.

/// Formats with tables, whose weights are bytes plus 128.
protocol TablePanel: PanelFormat {
    /// The levels that nibbles name, plus 128.
    static func levels(_ nibbles: IntVector) -> IntVector
}

extension TablePanel {
    @inline(__always) static func levels(_ nibbles: IntVector) -> IntVector {
        iq4_levels(nibbles)
    }
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        let (low, high) = column.nibbles(at: layout.pair(4 &* block &+ index, part: part))
        return (levels(integers(low)), levels(integers(high)))
    }
    @inline(__always) static var zeroPoint: Int { wide_zero_point() }
    @inline(__always) static func dot(
        _ sum: IntVector, _ weights: IntVector, _ quad: IntVector
    ) -> IntVector {
        dot_bytes_wide(sum, weights, quad)
    }
}

/// The nibbles of IQ4_NL, scale · level[q].
enum IQ4_NLPanel: TablePanel {
    typealias Scales = HalfScales

    @inline(__always) static var layout: PanelLayout { .nibbles }
}

/// The nibbles of MXFP4, scale · level[q], with power-of-two scales as bf16 numbers.
enum MXFP4Panel: TablePanel {
    @inline(__always) static var layout: PanelLayout { .nibbles }
    @inline(__always) static func scales(_ column: Column) -> Column { column }
    @inline(__always) static func scale(_ scales: Column, _ block: Int) -> FloatVector {
        let words = words_from_halves(scales.halves(at: layout.factor(block)))
        return unsafeBitCast(words &<< WordVector(repeating: 16), to: FloatVector.self)
    }
    @inline(__always) static func levels(_ nibbles: IntVector) -> IntVector {
        e2m1_levels(nibbles)
    }
}

/// The nibbles of NVFP4, scale · level[q], with a scale of four exponent and three fraction bits for each 16 inputs.
enum NVFP4Panel: SixBitPanel {
    @inline(__always) static var layout: PanelLayout { .nvfp4 }
    @inline(__always) static var zeroPoint: Int { 16 }
    @inline(__always) static func scales(_ column: Column) -> Column { column }
    @inline(__always) static func scale(_ column: Column, _ block: Int) -> FloatVector {
        // As halves' bits the scales are 2^8 too small, and levels are doubled.
        let bits = column.signedBytes(at: layout.byteScale(block)) &<< IntVector(repeating: 7)
        return floats_from_halves(low_halves(unsafeBitCast(bits, to: WordVector.self)))
            * FloatVector(repeating: 0x1p7)
    }
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        let (low, high) = column.nibbles(at: layout.pair(2 &* block &+ index, part: part))
        return (small_e2m1_levels(integers(low)), small_e2m1_levels(integers(high)))
    }
}

/// The nibbles of IQ4_XS, d · (s − 32) · level[q], with a 6-bit s for each 32 inputs of 256.
enum IQ4_XSPanel: TablePanel {
    @inline(__always) static var layout: PanelLayout { .iq4_xs }
    @inline(__always) static func scales(_ column: Column) -> Column { column }
    @inline(__always) static func scale(_ column: Column, _ block: Int) -> FloatVector {
        let low = shifted(column.words(at: layout.scales), 4 &* block) & WordVector(repeating: 15)
        let bits = words_from_halves(column.halves(at: layout.upperScaleBits))
        let high = shifted(bits, 2 &* block) & WordVector(repeating: 3)
        let scale = integers(low | high &<< WordVector(repeating: 4)) &- IntVector(repeating: 32)
        return float_from_int(scale) * floats_from_halves(column.halves(at: layout.factors))
    }
}
