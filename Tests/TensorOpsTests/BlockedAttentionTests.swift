// SPDX-License-Identifier: Apache-2.0
import KernelInterface
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

    private func formats(_ shape: AttentionShape) -> [CacheFormat] {
        CacheFormat.allCases.filter { shape.headWidth % $0.widthMultiple == 0 }
    }

    /// Scores have the error of a sum of `headWidth` products, weights the same error relatively,
    /// and a sum over all tokens adds its own.
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
            for format in formats(shape) {
                let result = part.attended(chunk: tokens, format, ops)
                let definition = attentionDefinition(
                    part.queries, rounded(part.keys, format), rounded(part.values, format), shape
                ) { $0 + 1 }
                #expect(zip(result, definition).allSatisfy { abs(Double($0) - $1) <= bound })
            }
            let full = ops.attention(
                Activations(part.queries, width: shape.queryWidth),
                keys: Activations(part.keys, width: shape.keyValueWidth),
                values: Activations(part.values, width: shape.keyValueWidth), shape
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
        for format in formats(shape) {
            let whole = part.attended(chunk: part.tokens, format, one)
            for chunk in [1, 7, 64, 128, 200, part.tokens] {
                let chunked = part.attended(chunk: chunk, format, three)
                #expect(whole == chunked, "chunks of \(chunk)")
            }
            let decoded = part.attended(chunk: 1, format, one)
            #expect(whole == decoded)
        }
    }

    @Test(arguments: tables)
    func laterTokensAndOtherQueriesDoNotMatter(table: String) throws {
        let shape = AttentionShape(heads: 4, keyValueHeads: 2, headWidth: 24)
        let ops = try ops(table, threads: 2)
        let part = AttentionCase(shape, tokens: 150)
        let pages = TestPages(.f16, shape, tokens: 150)
        let clean = part.attended(rows: 0..<150, pages, ops)
        // The tokens from 141 on become NaN and infinity, in the same batch.
        var (keys, values) = (part.keys, part.values)
        for index in (141 * shape.keyValueWidth)..<keys.count {
            keys[index] = index % 2 == 0 ? .nan : .infinity
            values[index] = .nan
        }
        let result = pages.attended(
            Activations(part.queries, width: shape.queryWidth),
            Activations(keys, width: shape.keyValueWidth),
            Activations(values, width: shape.keyValueWidth), after: 0, shape,
            .causal, ops)
        #expect(result[..<(141 * shape.queryWidth)] == clean[..<(141 * shape.queryWidth)])
        let areSpoilt = result[(141 * shape.queryWidth)...].allSatisfy(\.isNaN)
        #expect(areSpoilt)
    }

    /// Prompts and single tokens of several sequences in one batch are the same bits as alone.
    @Test(arguments: tables, shapes)
    func sequencesSideBySideDoNotMatter(table: String, shape: AttentionShape) throws {
        let ops = try ops(table, threads: 2)
        // Tokens before the batch, and rows in it.
        let parts = [(0, 70), (130, 1), (33, 1), (16, 0), (255, 3), (120, 17)]
        for format in formats(shape) {
            let cases = parts.map { AttentionCase(shape, tokens: $0.0 + $0.1) }
            let alone = cases.indices.map { index in
                let (before, rows) = parts[index]
                let pages = TestPages(format, shape, tokens: before + rows)
                _ = cases[index].attended(rows: 0..<before, pages, ops)
                return cases[index].attended(rows: before..<(before + rows), pages, ops)
            }
            let pages = cases.indices.map { index in
                let pages = TestPages(format, shape, tokens: cases[index].tokens)
                _ = cases[index].attended(rows: 0..<parts[index].0, pages, ops)
                return pages
            }
            var (start, sequences) = (0, [CachedSequence]())
            for (index, part) in parts.enumerated() {
                sequences.append(
                    pages[index].sequence(rows: start..<(start + part.1), after: part.0))
                start += part.1
            }
            func joined(_ numbers: (AttentionCase) -> [Float], _ width: Int) -> Activations {
                Activations(
                    cases.indices.flatMap {
                        numbers(cases[$0])[(parts[$0].0 * width)...]
                    }, width: width)
            }
            let queries = joined(\.queries, shape.queryWidth)
            ops.store(
                keys: joined(\.keys, shape.keyValueWidth),
                values: joined(\.values, shape.keyValueWidth), of: sequences, layer: 1,
                pages[0].layout)
            let result = Activations(rows: queries.rows, width: queries.width)
            withExtendedLifetime(pages) {
                ops.attention(
                    queries, to: sequences, layer: 1, pages[0].layout, shape, .causal, into: result)
            }
            let isEqual = result.array == alone.flatMap(\.self)
            #expect(isEqual)
        }
    }

    @Test(arguments: tables)
    func noRowsAreNoWork(table: String) throws {
        let shape = AttentionShape(heads: 2, keyValueHeads: 2, headWidth: 8)
        let part = AttentionCase(shape, tokens: 3)
        let ops = try ops(table, threads: 2)
        #expect(part.attended(rows: 0..<0, TestPages(.f32, shape, tokens: 3), ops).isEmpty)
    }
}
