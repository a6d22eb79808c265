// SPDX-License-Identifier: Apache-2.0
import KernelInterface
import Kernels
import TestSupport
import Testing
import WorkerPool

@testable import TensorOps

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

@Suite struct AttentionTests {
    static let shapes = [
        AttentionShape(heads: 1, keyValueHeads: 1, headWidth: 2),
        AttentionShape(heads: 4, keyValueHeads: 4, headWidth: 16),
        AttentionShape(heads: 6, keyValueHeads: 2, headWidth: 10),
    ]

    private func isClose(_ result: Activations, _ expected: [Double], tolerance: Double) -> Bool {
        zip(result.array, expected).allSatisfy { abs(Double($0) - $1) <= tolerance }
    }

    @Test(arguments: shapes, [1, 2, 63, 64, 65, 131])
    func fullAttentionMatchesTheDefinition(shape: AttentionShape, rows: Int) {
        let queries = gaussians(rows * shape.queryWidth, seed: 1)
        let keys = gaussians(rows * shape.keyValueWidth, seed: 2)
        let values = gaussians(rows * shape.keyValueWidth, seed: 3)
        let result = testOps.attention(
            Activations(queries, width: shape.queryWidth),
            keys: Activations(keys, width: shape.keyValueWidth),
            values: Activations(values, width: shape.keyValueWidth), shape)
        // Weights sum to 1 and values stay below 6, so the error is a few roundings of 6.
        #expect(
            isClose(
                result, attentionDefinition(queries, keys, values, shape) { _ in rows },
                tolerance: 6 * 64 * Double(Float.ulpOfOne)))
    }

    @Test(arguments: shapes, [(0, 1), (0, 65), (7, 1), (100, 3), (64, 64)])
    func causalAttentionOverACacheMatchesTheDefinition(
        shape: AttentionShape, rows: (cached: Int, new: Int)
    ) throws {
        let tokens = rows.cached + rows.new
        let queries = gaussians(rows.new * shape.queryWidth, seed: 4)
        let keys = gaussians(tokens * shape.keyValueWidth, seed: 5)
        let values = gaussians(tokens * shape.keyValueWidth, seed: 6)
        for (format, tolerance) in [(CacheFormat.f32, 5e-5), (.f16, 1e-2)] {
            let pages = TestPages(format, shape, tokens: tokens)
            let all = [keys, values].map { Activations($0, width: shape.keyValueWidth) }
            let before = all.map { $0.copy(rows: 0..<rows.cached) }
            let new = all.map { $0.copy(rows: rows.cached..<tokens) }
            testOps.store(
                keys: before[0], values: before[1],
                of: [pages.sequence(rows: 0..<rows.cached, after: 0)], layer: 1, pages.layout)
            let result = pages.attended(
                Activations(queries, width: shape.queryWidth), new[0], new[1], after: rows.cached,
                shape, .causal, testOps)
            let definition = attentionDefinition(queries, keys, values, shape) {
                rows.cached + $0 + 1
            }
            #expect(zip(result, definition).allSatisfy { abs(Double($0) - $1) <= tolerance })
        }
    }

    @Test(arguments: shapes, [0, 2])
    func attentionWeightsAreThoseOfTheDefinition(shape: AttentionShape, row: Int) {
        let tokens = 37
        let queries = gaussians(3 * shape.queryWidth, seed: 7)
        let keys = gaussians(tokens * shape.keyValueWidth, seed: 8)
        let weights = testOps.attentionWeights(
            ofRow: row, Activations(queries, width: shape.queryWidth),
            keys: Activations(keys, width: shape.keyValueWidth), shape)
        // Attention to values that are 1 at one token and 0 elsewhere is that token's weight.
        for token in 0..<tokens {
            var values = [Float](repeating: 0, count: keys.count)
            for column in 0..<shape.keyValueWidth {
                values[token * shape.keyValueWidth + column] = 1
            }
            let attended = attentionDefinition(queries, keys, values, shape) { _ in tokens }
            let total = (0..<shape.heads).reduce(0.0) { sum, head in
                sum + attended[row * shape.queryWidth + head * shape.headWidth]
            }
            #expect(abs(Double(weights[token]) - total) < 1e-5)
        }
    }

    @Test(arguments: KernelTable.available.map(\.name), shapes)
    func receivedAttentionIsThatOfTheDefinition(table: String, shape: AttentionShape) throws {
        let kernels = try KernelTable.named(table)
        for (rows, tokens) in [(1, 1), (5, 31), (6, 32), (7, 33), (25, 65), (37, 37)] {
            let queries = gaussians(rows * shape.queryWidth, seed: 7)
            let keys = gaussians(tokens * shape.keyValueWidth, seed: 8)
            func received(threads: Int) -> [Float] {
                TensorOps(kernels: kernels, pool: WorkerPool(threadCount: threads))
                    .receivedAttention(
                        Activations(queries, width: shape.queryWidth),
                        keys: Activations(keys, width: shape.keyValueWidth), shape)
            }
            var expected = [Double](repeating: 0, count: tokens)
            for row in 0..<rows {
                for head in 0..<shape.heads {
                    let weights = weightsDefinition(
                        queries, keys, shape, row: row, head: head, tokens: 0..<tokens)
                    for token in 0..<tokens { expected[token] += weights[token] / Double(rows) }
                }
            }
            let found = received(threads: 1)
            #expect(found.count == tokens)
            // Scores below 20 are off by some roundings, which their powers are relative to.
            #expect(zip(found, expected).allSatisfy { abs(Double($0) - $1) <= 2e-5 * $1 })
            for threads in 2...3 { #expect(received(threads: threads) == found) }
        }
    }
}
