// SPDX-License-Identifier: Apache-2.0
import KernelInterface
import Kernels
import TestSupport
import Testing
import WorkerPool

@testable import TensorOps

@Suite("Products of rows")
struct RowProductTests {
    private func ops(threads: Int = 2) throws -> TensorOps {
        TensorOps(kernels: try .named("reference"), pool: WorkerPool(threadCount: threads))
    }

    private func randomRows(_ rows: Int, _ width: Int, seed: UInt64 = 1) -> Activations {
        var random = SeededGenerator(seed: seed)
        let numbers = (0..<(rows * width)).map { _ in Float.random(in: -1...1, using: &random) }
        return Activations(numbers, width: width)
    }

    /// The inner product in double precision.
    private func exact(_ left: Activations, _ row: Int, _ right: Activations, _ other: Int)
        -> Double
    {
        (0..<left.width).reduce(0) {
            $0 + Double(left.row(row)[$1]) * Double(right.row(other)[$1])
        }
    }

    /// The rounding error of a sum in any order.
    private func tolerance(
        _ left: Activations, _ row: Int, _ right: Activations, _ other: Int
    ) -> Double {
        let magnitudes = (0..<left.width).reduce(0) {
            $0 + Double(abs(left.row(row)[$1] * right.row(other)[$1]))
        }
        return Double(left.width) * Double(Float.ulpOfOne / 2) * magnitudes
    }

    @Test(arguments: [1, 2, 31, 32, 33, 63, 64, 97, 1024, 4099])
    func innerProductsAreExactUpToRounding(width: Int) throws {
        let (left, right) = (randomRows(5, width), randomRows(1, width, seed: 2))
        let found = try ops().products(of: left, with: right.row(0))
        for row in 0..<5 {
            let expected = exact(left, row, right, 0)
            #expect(abs(Double(found[row]) - expected) <= tolerance(left, row, right, 0))
            #expect(found[row] == innerProduct(left.row(row), right.row(0), width))
        }
    }

    @Test func innerProductOfNothingIsZero() throws {
        let row = Activations([1, 2, 3], width: 3)
        #expect(innerProduct(row.values, row.values, 0) == 0)
        let none = Activations(rows: 0, width: 3)
        #expect(try ops().products(of: none, with: row.values) == [])
        #expect(try ops().gram(none).rows == 0)
        #expect(try ops().products(of: row, with: none).width == 0)
    }

    @Test(arguments: [1, 2, 95, 96, 97, 193])
    func gramHoldsAllProducts(count: Int) throws {
        let rows = randomRows(count, 37)
        let gram = try ops().gram(rows)
        #expect(gram.rows == count && gram.width == count)
        for row in 0..<count {
            for other in 0..<count {
                let difference = Double(gram.row(row)[other]) - exact(rows, row, rows, other)
                #expect(abs(difference) <= tolerance(rows, row, rows, other))
                #expect(gram.row(row)[other] == gram.row(other)[row])
            }
        }
    }

    @Test(arguments: [(1, 1), (3, 200), (97, 5), (96, 96), (101, 103)])
    func productsOfTwoMatrices(left: Int, right: Int) throws {
        let (first, second) = (randomRows(left, 19), randomRows(right, 19, seed: 4))
        let products = try ops().products(of: first, with: second)
        #expect(products.rows == left && products.width == right)
        for row in 0..<left {
            for other in 0..<right {
                let difference = Double(products.row(row)[other]) - exact(first, row, second, other)
                #expect(abs(difference) <= tolerance(first, row, second, other))
            }
        }
    }

    /// A product is the same bits whatever rows are beside its two.
    @Test(arguments: KernelTable.available.map(\.name))
    func equalRowsHaveEqualProducts(table: String) throws {
        let ops = TensorOps(kernels: try .named(table), pool: WorkerPool(threadCount: 2))
        for width in [5, 256, 257, 1000] {
            let row = randomRows(1, width).array
            let other = randomRows(1, width, seed: 2).array
            let rows = Activations(
                (0..<101).flatMap { $0 % 3 == 0 ? row : other }, width: width)
            let gram = try ops.gram(rows)
            let products = try ops.products(of: rows, with: rows)
            #expect(gram.array == products.array)
            let likeFirst = stride(from: 0, to: 101, by: 3)
            for row in likeFirst {
                #expect(likeFirst.allSatisfy { gram.row(row)[$0] == gram.row(0)[0] })
            }
        }
    }

    @Test func memoryThatIsNotGrantedIsAnError() throws {
        let ops = try ops()
        #expect(throws: MemoryShortage(byteCount: 1 << 62)) {
            try ops.grantedActivations(rows: 1 << 30, width: 1 << 30)
        }
        #expect(throws: MemoryShortage(byteCount: .max)) {
            try ops.grantedActivations(rows: 1 << 40, width: 1 << 40)
        }
        #expect(throws: MemoryShortage(byteCount: 1 << 62)) { try ops.claimMemory(1 << 62) }
        _ = try ops.claimMemory(100)
    }

    @Test func threadsChangeNothing() throws {
        let rows = randomRows(300, 64)
        let expected = try ops(threads: 1)
        for threads in [2, 3, 7] {
            let found = try ops(threads: threads)
            #expect(try found.gram(rows).array == expected.gram(rows).array)
            #expect(
                found.products(of: rows, with: rows.row(7))
                    == expected.products(of: rows, with: rows.row(7)))
        }
    }

    /// The numbers of Vigna's reference implementation for this seed.
    @Test func splitMix64IsThatOfTheReference() {
        var random = SplitMix64(seed: 1_234_567)
        #expect(random.next() == 6_457_827_717_110_365_317)
        #expect(random.next() == 3_203_168_211_198_807_973)
        #expect(random.next() == 9_817_491_932_198_370_423)
    }
}
