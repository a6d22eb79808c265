// SPDX-License-Identifier: Apache-2.0
import KernelInterface
import WeightPanels

extension TensorOps {
    /// Inputs that are summed apart before they are added to the sum of the others.
    ///
    /// A short sum rounds less, and the part of a panel that it reads stays in the first-level
    /// cache.
    private static let inputsPerSum = 256

    /// The inner product of every row with `vector`.
    ///
    /// Equal rows have equal products, wherever they stand.
    public func products(of rows: Activations, with vector: UnsafePointer<Float>) -> [Float] {
        map(0..<rows.rows) { innerProduct(rows.row($0), vector, rows.width) }
    }

    /// The inner product of every row of `left` with every row of `right`: `L · Rᵀ`.
    ///
    /// A product depends, bit for bit, on its two rows and on nothing else.
    ///
    /// - Throws: `MemoryShortage` when the system does not grant the result's memory.
    public func products(
        of left: Activations, with right: Activations
    ) throws(MemoryShortage) -> Activations {
        precondition(left.width == right.width)
        let result = try grantedActivations(rows: left.rows, width: right.rows)
        forEachPanel(of: right) { panel, thread in
            multiply(left, 0..<left.rows, by: right, panel, into: result, column: 0, thread)
        }
        return result
    }

    /// The inner product of every row with every other and with itself: `X · Xᵀ`, a symmetric matrix.
    ///
    /// - Throws: `MemoryShortage` when the system does not grant the result's memory.
    public func gram(_ rows: Activations) throws(MemoryShortage) -> Activations {
        let result = try grantedActivations(rows: rows.rows, width: rows.rows)
        gram(rows, into: result, column: 0)
        return result
    }

    /// The same, into a wider matrix from a given column on.
    ///
    /// One half is computed, and the other is copied from it.
    public func gram(_ rows: Activations, into result: Activations, column: Int) {
        precondition(result.rows == rows.rows && column + rows.rows <= result.width)
        forEachPanel(of: rows) { panel, thread in
            let range = panel.lowerBound..<rows.rows
            multiply(rows, range, by: rows, panel, into: result, column: column, thread)
            for other in panel {
                let copies = result.row(other) + column
                for row in panel.upperBound..<rows.rows {
                    copies[row] = result.row(row)[column + other]
                }
            }
        }
    }

    /// The number that `body` gives for each index, computed on all threads.
    public func map(_ indices: some RandomAccessCollection<Int>, _ body: (Int) -> Float) -> [Float]
    {
        [Float](unsafeUninitializedCapacity: indices.count) { buffer, count in
            nonisolated(unsafe) let numbers = buffer
            let perChunk = max(16, indices.count / (4 * pool.threadCount))
            let chunks = (indices.count + perChunk - 1) / perChunk
            pool.forEach(chunks) { chunk, _ in
                for place in (chunk * perChunk)..<min(indices.count, (chunk + 1) * perChunk) {
                    let index = indices[indices.index(indices.startIndex, offsetBy: place)]
                    numbers.initializeElement(at: place, to: body(index))
                }
            }
            count = indices.count
        }
    }

    /// Calls `body` with the rows that become one panel, panel after panel, on all threads.
    private func forEachPanel(
        of rows: Activations, _ body: (_ panel: Range<Int>, _ thread: Int) -> Void
    ) {
        let columns = PanelKind.columns
        pool.forEach((rows.rows + columns - 1) / columns) { index, thread in
            body((index * columns)..<min((index + 1) * columns, rows.rows), thread)
        }
    }

    /// The products of some rows of `left` with up to 32 rows of `right`.
    private func multiply(
        _ left: Activations, _ range: Range<Int>, by right: Activations, _ panel: Range<Int>,
        into result: Activations, column: Int, _ thread: Int
    ) {
        let (columns, most) = (PanelKind.columns, FloatPanelKernels.rowsPerTile)
        let packed = scratch.floats((left.width + most) * columns, thread: thread)
        _ = PanelPacker(.f32, inputs: left.width).pack(
            right.row(panel.lowerBound), count: panel.count, into: packed)
        let sums = packed + left.width * columns
        let product = kernels.floatPanels.product(.f32)
        for start in stride(from: 0, to: max(1, left.width), by: Self.inputsPerSum) {
            let count = min(Self.inputsPerSum, left.width - start)
            for first in stride(from: range.lowerBound, to: range.upperBound, by: most) {
                let rows = min(most, range.upperBound - first)
                product(
                    rows, left.row(first) + start, left.width, packed + start * columns, count,
                    sums, columns)
                for row in 0..<rows {
                    let target = result.row(first + row) + column + panel.lowerBound
                    if start == 0 {
                        target.update(from: sums + row * columns, count: panel.count)
                    } else {
                        kernels.add(target, sums + row * columns, panel.count)
                    }
                }
            }
        }
    }
}

/// The inner product of two vectors, summed in one order for every `count`.
public func innerProduct(
    _ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>, _ count: Int
) -> Float {
    sum(
        count, sixteen: { sixteenNumbers(left, $0) * sixteenNumbers(right, $0) },
        one: { left[$0] * right[$0] })
}

/// The square of the distance between two vectors, summed in one order for every `count`.
public func squaredDistance(
    _ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>, _ count: Int
) -> Float {
    sum(
        count,
        sixteen: { index in
            let differences = sixteenNumbers(left, index) - sixteenNumbers(right, index)
            return differences * differences
        },
        one: { (left[$0] - right[$0]) * (left[$0] - right[$0]) })
}

/// The sum of `count` terms, which are given by their index, sixteen at a time as far as possible.
@inline(__always)
private func sum(
    _ count: Int, sixteen: (Int) -> SIMD16<Float>, one: (Int) -> Float
) -> Float {
    // Two sums, each four registers of the x86-64 baseline, keep enough additions in flight to hide
    // their latency.
    var (even, odd) = (SIMD16<Float>(repeating: 0), SIMD16<Float>(repeating: 0))
    let vectorEnd = count / 32 * 32
    for index in stride(from: 0, to: vectorEnd, by: 32) {
        even += sixteen(index)
        odd += sixteen(index + 16)
    }
    return (vectorEnd..<count).reduce((even + odd).sum()) { $0 + one($1) }
}

@inline(__always)
private func sixteenNumbers(_ values: UnsafePointer<Float>, _ index: Int) -> SIMD16<Float> {
    UnsafeRawPointer(values)
        .loadUnaligned(fromByteOffset: index * 4, as: SIMD16<Float>.self)
}
