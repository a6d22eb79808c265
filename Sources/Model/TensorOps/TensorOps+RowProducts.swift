// SPDX-License-Identifier: Apache-2.0
import COpenBLAS

extension TensorOps {
    /// Rows of one tile of a product: as fast as any of 64…576 for the Gram matrix of 576 and of 2304
    /// rows of 4096 numbers, and enough tiles for many threads.
    ///
    /// It does not depend on the number of threads, so neither do the results.
    private static let rowsPerTile = 96

    /// The inner product of every row with `vector`.
    ///
    /// Equal rows have equal products, wherever they stand.
    public func products(of rows: Activations, with vector: UnsafePointer<Float>) -> [Float] {
        map(0..<rows.rows) { innerProduct(rows.row($0), vector, rows.width) }
    }

    /// The inner product of every row of `left` with every row of `right`: `L · Rᵀ`.
    public func products(of left: Activations, with right: Activations) -> Activations {
        precondition(left.width == right.width)
        let result = activations(rows: left.rows, width: right.rows)
        let (down, across) = (tiles(of: left), tiles(of: right))
        pool.forEach(down.count * across.count) { task, _ in
            multiply(
                left, down[task / across.count], right, across[task % across.count], into: result)
        }
        return result
    }

    /// The inner product of every row with every other and with itself: `X · Xᵀ`, a symmetric matrix.
    ///
    /// Half of it is computed, the rest is copied.
    public func gram(_ rows: Activations) -> Activations {
        let result = activations(rows: rows.rows, width: rows.rows)
        let tiles = tiles(of: rows)
        let pairs = tiles.indices.flatMap { lower in (0...lower).map { (lower, $0) } }
        pool.forEach(pairs.count) { task, _ in
            let (down, across) = (tiles[pairs[task].0], tiles[pairs[task].1])
            multiply(rows, down, rows, across, into: result)
            for row in down {
                for column in across where column < row {
                    result.row(column)[row] = result.row(row)[column]
                }
            }
        }
        return result
    }

    /// A number for each of some indices, several at a time on all threads.
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

    private func tiles(of rows: Activations) -> [Range<Int>] {
        stride(from: 0, to: rows.rows, by: Self.rowsPerTile).map {
            $0..<min($0 + Self.rowsPerTile, rows.rows)
        }
    }

    private func multiply(
        _ left: Activations, _ down: Range<Int>, _ right: Activations, _ across: Range<Int>,
        into result: Activations
    ) {
        let width = Int32(left.width)
        cblas_sgemm(
            CblasRowMajor, CblasNoTrans, CblasTrans, Int32(down.count), Int32(across.count), width,
            1, left.row(down.lowerBound), width, right.row(across.lowerBound), width, 0,
            result.row(down.lowerBound) + across.lowerBound, Int32(result.width))
    }
}

/// The inner product of two vectors, summed in one order for every `count`.
public func innerProduct(
    _ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>, _ count: Int
) -> Float {
    // Two sums of four registers each of the x86-64 baseline: enough additions in flight to hide their
    // latency.
    var (even, odd) = (SIMD16<Float>(repeating: 0), SIMD16<Float>(repeating: 0))
    let (rawLeft, rawRight) = (UnsafeRawPointer(left), UnsafeRawPointer(right))
    func product(_ index: Int) -> SIMD16<Float> {
        rawLeft.loadUnaligned(fromByteOffset: index * 4, as: SIMD16<Float>.self)
            * rawRight.loadUnaligned(fromByteOffset: index * 4, as: SIMD16<Float>.self)
    }
    let vectorEnd = count / 32 * 32
    for index in stride(from: 0, to: vectorEnd, by: 32) {
        even += product(index)
        odd += product(index + 16)
    }
    return (vectorEnd..<count).reduce((even + odd).sum()) { $0 + left[$1] * right[$1] }
}
