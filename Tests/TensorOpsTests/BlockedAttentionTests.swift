// SPDX-License-Identifier: Apache-2.0
import Kernels
import Testing
import WorkerPool

@testable import TensorOps

@Suite struct BlockedAttentionTests {
    static let tables = KernelTable.available.map(\.name)
    /// Whole and odd numbers of vectors; one head, several, and groups of heads.
    static let shapes = [
        (1, 1, 1), (2, 1, 7), (3, 3, 33), (4, 2, 64), (2, 2, 80), (6, 2, 96), (4, 1, 128),
    ]
    .map { AttentionShape(heads: $0.0, keyValueHeads: $0.1, headWidth: $0.2) }

    private func ops(_ table: String, threads: Int) throws -> TensorOps {
        TensorOps(
            kernels: try KernelTable.named(table), pool: WorkerPool(threadCount: threads))
    }

    /// Rounded numbers as a half-precision cache holds them.
    private func rounded(_ numbers: [Float], _ format: CacheFormat) -> [Float] {
        guard format == .f16 else { return numbers }
        var halves = [UInt16](repeating: 0, count: numbers.count)
        KernelTable.reference.halvesFromFloats(numbers, &halves, numbers.count)
        var floats = numbers
        KernelTable.reference.floatsFromHalves(halves, &floats, numbers.count)
        return floats
    }

    /// Scores have errors of a sum of `headWidth` products, weights as much relatively; a sum over all
    /// tokens adds its own.
    private func tolerance(_ shape: AttentionShape, tokens: Int, scores: Float) -> Double {
        let roundings = Float(shape.headWidth + 8) * scores + Float(tokens / 16 + 16)
        return Double(6 * roundings * .ulpOfOne)
    }

    @Test(arguments: tables, shapes)
    func everyTableMatchesTheDefinition(table: String, shape: AttentionShape) throws {
        let ops = try ops(table, threads: 2)
        for tokens in [1, 15, 17, 127, 128, 129, 300] {
            let part = AttentionCase(shape, tokens: tokens)
            let bound = tolerance(shape, tokens: tokens, scores: 6)
            for format in CacheFormat.allCases {
                let result = try part.attended(chunk: tokens, format, ops)
                let definition = attentionDefinition(
                    part.queries, rounded(part.keys, format), rounded(part.values, format), shape
                ) { $0 + 1 }
                #expect(zip(result, definition).allSatisfy { abs(Double($0) - $1) <= bound })
            }
            let full = ops.attention(
                Activations(part.queries, width: shape.queryWidth),
                keys: .floats(Activations(part.keys, width: shape.keyValueWidth)),
                values: .floats(Activations(part.values, width: shape.keyValueWidth)),
                tokens: tokens, shape, mask: .none
            ).array
            let definition = attentionDefinition(part.queries, part.keys, part.values, shape) { _ in
                tokens
            }
            #expect(zip(full, definition).allSatisfy { abs(Double($0) - $1) <= bound })
        }
    }

    @Test(arguments: tables, shapes)
    func chunksAndThreadsDoNotChangeABit(table: String, shape: AttentionShape) throws {
        // Scores of some tens, so that the largest one changes from block to block.
        let part = AttentionCase(shape, tokens: 277, deviation: 6)
        let (one, three) = (try ops(table, threads: 1), try ops(table, threads: 3))
        for format in CacheFormat.allCases {
            let whole = try part.attended(chunk: part.tokens, format, one)
            for chunk in [1, 7, 64, 128, 200, part.tokens] {
                let chunked = try part.attended(chunk: chunk, format, three)
                #expect(whole == chunked, "chunks of \(chunk)")
            }
            let decoded = try part.attended(chunk: 1, format, one)
            #expect(whole == decoded)
        }
    }

    @Test(arguments: tables)
    func laterTokensAndOtherQueriesDoNotMatter(table: String) throws {
        let shape = AttentionShape(heads: 4, keyValueHeads: 2, headWidth: 24)
        let ops = try ops(table, threads: 2)
        let part = AttentionCase(shape, tokens: 150)
        let cache = try part.cache(.f16)
        let clean = part.attended(rows: 0..<150, cache, ops)
        // The tokens from 141 on become NaN and infinity, in the same batch.
        var (keys, values) = (part.keys, part.values)
        for index in (141 * shape.keyValueWidth)..<keys.count {
            keys[index] = index % 2 == 0 ? .nan : .infinity
            values[index] = .nan
        }
        cache.keys.write(Activations(keys, width: shape.keyValueWidth), at: 0, ops.kernels)
        cache.values.write(Activations(values, width: shape.keyValueWidth), at: 0, ops.kernels)
        let result = ops.attention(
            Activations(part.queries, width: shape.queryWidth), keys: .cached(cache.keys),
            values: .cached(cache.values), tokens: 150, shape, mask: .causal(firstRow: 0)
        ).array
        #expect(result[..<(141 * shape.queryWidth)] == clean[..<(141 * shape.queryWidth)])
        let areSpoilt = result[(141 * shape.queryWidth)...].allSatisfy(\.isNaN)
        #expect(areSpoilt)
    }

    @Test(arguments: tables)
    func noRowsAreNoWork(table: String) throws {
        let shape = AttentionShape(heads: 2, keyValueHeads: 2, headWidth: 8)
        let part = AttentionCase(shape, tokens: 3)
        let cache = try part.cache(.f32)
        let ops = try ops(table, threads: 2)
        #expect(part.attended(rows: 0..<0, cache, ops).isEmpty)
    }
}
