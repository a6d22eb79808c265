// SPDX-License-Identifier: Apache-2.0
import Foundation
import KernelInterface
import Kernels
import TensorOps
import Testing
import WorkerPool

@Suite struct BrainFloatAttentionTests {
    private struct Case {
        let shape: AttentionShape
        let queries: Activations
        let keys: Activations
        let values: Activations

        init(rows: Int, tokens: Int, heads: Int, width: Int) {
            shape = AttentionShape(heads: heads, keyValueHeads: heads, headWidth: width)
            queries = Activations(gaussians(rows * heads * width, seed: 1), width: heads * width)
            keys = Activations(gaussians(tokens * heads * width, seed: 2), width: heads * width)
            values = Activations(gaussians(tokens * heads * width, seed: 3), width: heads * width)
        }

        func attended(_ kernels: KernelTable, threads: Int) -> [Float] {
            TensorOps(kernels: kernels, pool: WorkerPool(threadCount: threads))
                .brainFloatAttention(queries, keys: keys, values: values, shape).array
        }

        /// The attention of rounded queries, keys and values, and what rounding weights may change.
        func expected(row: Int, column: Int) -> (value: Double, bound: Double) {
            let start = column / shape.headWidth * shape.headWidth
            let scale = 1 / Float(shape.headWidth).squareRoot()
            let scores = (0..<keys.rows).map { token in
                (start..<(start + shape.headWidth)).reduce(0.0) {
                    $0 + rounded(queries.row(row)[$1] * scale) * rounded(keys.row(token)[$1])
                }
            }
            let largest = scores.max() ?? 0
            let powers = scores.map { exp($0 - largest) }
            let total = powers.reduce(0, +)
            var (value, magnitude) = (0.0, 0.0)
            for token in 0..<keys.rows {
                let product = powers[token] / total * rounded(values.row(token)[column])
                value += product
                magnitude += abs(product)
            }
            // A weight of 8 bits is off by at most a 2^8th; scores and sums of floats lose far less.
            return (value, (0x1p-8 + 1e-4) * magnitude + 1e-7)
        }

        /// The nearest bf16 number, or the even one of a tie.
        private func rounded(_ value: Float) -> Double {
            let bits = value.bitPattern
            return Double(Float(bitPattern: (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000))
        }
    }

    @Test(arguments: KernelTable.available.map(\.name), [1, 2, 7, 31, 32, 33, 65])
    func isTheAttentionOfRoundedNumbers(table: String, tokens: Int) throws {
        for (rows, width) in [(1, 64), (6, 2), (7, 34), (13, 64), (5, 128)] {
            let sample = Case(rows: rows, tokens: tokens, heads: 3, width: width)
            let found = sample.attended(try .named(table), threads: 2)
            for index in found.indices {
                let expected = sample.expected(
                    row: index / (3 * width), column: index % (3 * width))
                #expect(abs(Double(found[index]) - expected.value) <= expected.bound)
            }
        }
    }

    @Test func threadsChangeNothing() throws {
        let sample = Case(rows: 25, tokens: 25, heads: 4, width: 16)
        let kernels = try KernelTable.named(nil)
        let expected = sample.attended(kernels, threads: 1)
        for threads in 2...5 { #expect(sample.attended(kernels, threads: threads) == expected) }
    }
}
