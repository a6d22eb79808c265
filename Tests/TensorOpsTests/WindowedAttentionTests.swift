// SPDX-License-Identifier: Apache-2.0
import KernelInterface
import Kernels
import Testing
import WorkerPool

@testable import TensorOps

/// Causal attention whose queries see the latest tokens alone.
@Suite struct WindowedAttentionTests {
    static let tables = KernelTable.available.map(\.name)
    /// Within a block of tokens, a block less and more one, and over several.
    static let windows = [1, 5, 16, 127, 128, 129, 200]

    private func ops(_ table: String, threads: Int) throws -> TensorOps {
        TensorOps(
            kernels: try KernelTable.named(table), pool: WorkerPool(threadCount: threads))
    }

    private let shape = AttentionShape(heads: 4, keyValueHeads: 2, headWidth: 32)

    @Test(arguments: tables, windows)
    func everyTableMatchesTheDefinition(table: String, window: Int) throws {
        let ops = try ops(table, threads: 2)
        let part = AttentionCase(shape, .window(window), tokens: 300)
        for format in [CacheFormat.f32, .f16] {
            let result = part.attended(chunk: 300, format, ops)
            let definition = attentionDefinition(
                part.queries, rounded(part.keys, format), rounded(part.values, format), part.shape,
                hidden: { max(0, $0 + 1 - window) }
            ) { $0 + 1 }
            // As for attention without windows: scores of at most 6, sums over at most 300 tokens.
            let bound = 6.0 * Double((32 + 8) * 6 + 300 / 16 + 16) * Double(Float.ulpOfOne)
            #expect(zip(result, definition).allSatisfy { abs(Double($0) - $1) <= bound })
        }
    }

    @Test(arguments: tables, windows)
    func chunksAndThreadsDoNotChangeABit(table: String, window: Int) throws {
        let part = AttentionCase(shape, .window(window), tokens: 277, deviation: 6)
        let (one, three) = (try ops(table, threads: 1), try ops(table, threads: 3))
        for format in [CacheFormat.f32, .f16, .q8_0] {
            let whole = part.attended(chunk: part.tokens, format, one)
            for chunk in [1, 3, 64, 128, 200] {
                #expect(whole == part.attended(chunk: chunk, format, three), "chunks of \(chunk)")
            }
        }
    }

    @Test(arguments: tables)
    func aWindowOfAllTokensChangesNoBit(table: String) throws {
        let ops = try ops(table, threads: 2)
        let plain = AttentionCase(shape, tokens: 200, deviation: 6)
        let wide = AttentionCase(shape, .window(200), tokens: 200, deviation: 6)
        for chunk in [1, 70, 200] {
            #expect(
                plain.attended(chunk: chunk, .f16, ops) == wide.attended(chunk: chunk, .f16, ops))
        }
    }
    @Test(arguments: tables, [1, 5, 130])
    func withoutAMaskRowsSeeLaterOnesOfTheirBatch(table: String, rows: Int) throws {
        let part = AttentionCase(shape, .full, tokens: 140 + rows)
        let pages = TestPages(.f32, shape, tokens: part.tokens)
        let ops = try ops(table, threads: 2)
        _ = part.attended(rows: 0..<140, pages, ops)
        let result = part.attended(rows: 140..<part.tokens, pages, ops)
        let queries = Array(part.queries[(140 * shape.queryWidth)...])
        let definition = attentionDefinition(queries, part.keys, part.values, shape) { _ in
            part.tokens
        }
        let bound = 6.0 * Double((32 + 8) * 6 + 300 / 16 + 16) * Double(Float.ulpOfOne)
        #expect(zip(result, definition).allSatisfy { abs(Double($0) - $1) <= bound })
    }
}
