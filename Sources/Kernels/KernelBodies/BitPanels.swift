// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps
internal import KernelInterface

// Panels of weights of one or two bits under one half-precision scale for a superblock.

extension NibblePanel where Scales == FloatVector {
    @inline(__always) static func scales(_ column: Column) -> FloatVector {
        floats_from_halves(column.halves(at: layout.factors))
    }
    @inline(__always) static func scale(_ scales: FloatVector, _ block: Int) -> FloatVector {
        scales
    }
    @inline(__always) static var zeroPoint: Int { 1 }
}

/// The bits of Q1_0, scale · (2 · q − 1).
enum Q1_0Panel: NibblePanel {
    typealias Scales = FloatVector

    @inline(__always) static var layout: PanelLayout { .q1_0 }
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        // Bit q of a byte belongs to quad q of the block.
        let line = column.weightWords(at: layout.run(block, part: part))
        let mask = WordVector(repeating: 0x0202_0202)
        return (
            integers(moved(line, from: 2 &* index, to: 1) & mask),
            integers(moved(line, from: 2 &* index &+ 1, to: 1) & mask)
        )
    }
}

/// Formats of two bits, scale · (q − 1).
protocol TwoBitPanel: NibblePanel where Scales == FloatVector {}

extension TwoBitPanel {
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        bitPairs(column, at: layout.run(2 &* block &+ index / 2, part: part), index: index % 2)
    }
}

/// Q2_0, with a scale for each 64 inputs.
enum Q2_0Panel: TwoBitPanel {
    typealias Scales = FloatVector

    @inline(__always) static var layout: PanelLayout { .q2_0 }
}

/// TQ1_0 and TQ2_0, with a scale for each 256 inputs.
enum TQPanel: TwoBitPanel {
    typealias Scales = FloatVector

    @inline(__always) static var layout: PanelLayout { .tq }
}
