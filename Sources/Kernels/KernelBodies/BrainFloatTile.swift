// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps
internal import KernelInterface

/// The products of `rows` rows of bf16 numbers with two vectors of a panel's columns.
///
/// Every sum runs over the inputs in order, so it does not depend on the rows beside it.
private struct BrainFloatTile<let rows: Int> {
    typealias Sums = InlineArray<rows, FloatVector>

    @inline(__always)
    static func multiply(
        _ values: UnsafePointer<UInt16>, stride: Int, _ panel: UnsafeRawPointer, column: Int,
        pairs: Int, _ out: UnsafeMutablePointer<Float>, outStride: Int
    ) {
        var left = Sums(repeating: FloatVector(repeating: 0))
        var right = left
        var values = UnsafeRawPointer(values)
        var line = panel + 4 &* column
        for _ in 0..<pairs {
            let first = line.loadUnaligned(as: WordVector.self)
            let second = line.loadUnaligned(fromByteOffset: 4 &* lane_count, as: WordVector.self)
            for row in 0..<rows {
                let pair = WordVector(
                    repeating: values.loadUnaligned(
                        fromByteOffset: 2 &* row &* stride, as: UInt32.self))
                left[row] = dot_brain_floats(left[row], first, pair)
                right[row] = dot_brain_floats(right[row], second, pair)
            }
            values += 4
            line += 4 &* PanelKind.columns
        }
        for row in 0..<rows {
            let target = UnsafeMutableRawPointer(out + (row &* outStride &+ column))
            target.storeBytes(of: left[row], as: FloatVector.self)
            target.storeBytes(
                of: right[row], toByteOffset: 4 &* lane_count, as: FloatVector.self)
        }
    }
}

/// The product of 1 to 6 rows of bf16 numbers with a panel of 32 columns of such numbers.
@Sendable
func multiplyBrainFloats(
    rows: Int, _ values: UnsafePointer<UInt16>, stride: Int, _ panel: UnsafeRawPointer,
    inputs: Int, _ out: UnsafeMutablePointer<Float>, outStride: Int
) {
    @inline(__always)
    func sweep<let rows: Int>(_ tile: BrainFloatTile<rows>.Type) {
        var column = 0
        while column < PanelKind.columns {
            tile.multiply(
                values, stride: stride, panel, column: column, pairs: (inputs &+ 1) / 2, out,
                outStride: outStride)
            column &+= 2 &* lane_count
        }
    }
    switch rows {
    case 1: sweep(BrainFloatTile<1>.self)
    case 2: sweep(BrainFloatTile<2>.self)
    case 3: sweep(BrainFloatTile<3>.self)
    case 4: sweep(BrainFloatTile<4>.self)
    case 5: sweep(BrainFloatTile<5>.self)
    case 6: sweep(BrainFloatTile<6>.self)
    default: preconditionFailure("more rows than a tile has")
    }
}
