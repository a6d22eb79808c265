// SPDX-License-Identifier: Apache-2.0
import CVectorOps

/// One superblock of as many columns as a vector has lanes: the unit of packing.
///
/// Columns are read one by one, each into a `ColumnBlock`. Then their quads are transposed, so that
/// a vector holds the same quad of every column, as a panel's line does.
struct ColumnGroup {
    /// Columns of a group; a divisor of `PanelKind.columns`.
    static let columns = lane_count

    private static let weightBytes = 256
    private static let scaleCount = 16

    private let weights: UnsafeMutablePointer<UInt8>  // [columns, 256]
    private let halves: UnsafeMutablePointer<UInt16>  // [columns, 4]
    private let scales: UnsafeMutablePointer<UInt8>  // [columns, 32]
    private let turned: UnsafeMutablePointer<WordVector>  // [64]

    /// Buffers of clear columns.
    init() {
        weights = .allocate(capacity: Self.columns * Self.weightBytes)
        halves = .allocate(capacity: Self.columns * 4)
        scales = .allocate(capacity: Self.columns * 2 * Self.scaleCount)
        turned = .allocate(capacity: Self.weightBytes / 4)
        for index in 0..<Self.columns { column(index).clear() }
    }

    @inline(__always)
    func deallocate() {
        weights.deallocate()
        halves.deallocate()
        scales.deallocate()
        turned.deallocate()
    }

    /// The buffers of one column.
    @inline(__always)
    func column(_ index: Int) -> ColumnBlock {
        ColumnBlock(
            weights: weights + index &* Self.weightBytes, factors: halves + index &* 4,
            minimumFactors: halves + (index &* 4 &+ 2),
            scales: scales + index &* 2 &* Self.scaleCount,
            minima: scales + (index &* 2 &+ 1) &* Self.scaleCount)
    }

    /// Transposes the first `count` words of every column's weights, for `word`.
    @inline(__always)
    func turn(_ count: Int) {
        for first in stride(from: 0, to: count, by: Self.columns) {
            transpose_words(
                weights + 4 &* first, Self.weightBytes, turned + first,
                MemoryLayout<WordVector>.stride)
        }
    }

    /// Bytes 4i to 4i + 3 of every column's weights: a quad, where bytes are weights.
    @inline(__always)
    func word(_ index: Int) -> WordVector { turned[index] }
}
