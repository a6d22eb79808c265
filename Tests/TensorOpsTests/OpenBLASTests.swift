// SPDX-License-Identifier: Apache-2.0
import COpenBLAS
import KernelInterface
import Kernels
import TestSupport
import Testing
import WorkerPool

@testable import TensorOps

/// Products of floats beside those of an independent library, at the size of a picture's visual tokens.
@Suite struct OpenBLASTests {
    private func randomRows(_ rows: Int, _ width: Int, seed: UInt64) -> Activations {
        var random = SeededGenerator(seed: seed)
        let numbers = (0..<(rows * width)).map { _ in Float.random(in: -1...1, using: &random) }
        return Activations(numbers, width: width)
    }

    /// `L · Rᵀ` by `sgemm`.
    private func expected(_ left: Activations, _ right: Activations) -> Activations {
        let result = Activations(rows: left.rows, width: right.rows)
        openblas_set_num_threads(1)
        cblas_sgemm(
            CblasRowMajor, CblasNoTrans, CblasTrans, Int32(left.rows), Int32(right.rows),
            Int32(left.width), 1, left.values, Int32(left.width), right.values, Int32(right.width),
            0, result.values, Int32(result.width))
        return result
    }

    @Test(arguments: KernelTable.available.map(\.name), [(576, 97, 1024), (193, 577, 331)])
    func productsAgree(table: String, shape: (Int, Int, Int)) throws {
        let ops = TensorOps(kernels: try .named(table), pool: WorkerPool(threadCount: 2))
        let left = randomRows(shape.0, shape.2, seed: 1)
        let right = randomRows(shape.1, shape.2, seed: 2)
        let (found, other) = (try ops.products(of: left, with: right), expected(left, right))
        // Each sum rounds as often as it has terms, whose magnitudes are ¼ on average.
        let tolerance = Float(shape.2) * Float(shape.2) / 4 * Float.ulpOfOne
        for index in 0..<(found.rows * found.width) {
            #expect(abs(found.values[index] - other.values[index]) <= tolerance)
        }
        let (gram, otherGram) = (try ops.gram(left), expected(left, left))
        for index in 0..<(gram.rows * gram.width) {
            #expect(abs(gram.values[index] - otherGram.values[index]) <= tolerance)
        }
    }
}
