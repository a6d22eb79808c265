// SPDX-License-Identifier: Apache-2.0
@testable import TensorOps

/// Unordered pages for one sequence and two layers, of which tests use the second.
final class TestPages {
    let layout: CachePageLayout
    private let memory: UnsafeMutableRawPointer
    private let starts: UnsafeMutablePointer<UnsafeMutableRawPointer>

    init(_ format: CacheFormat, _ shape: AttentionShape, tokens: Int) {
        layout = CachePageLayout(
            format: format, layerCount: 2, heads: shape.keyValueHeads, headWidth: shape.headWidth)
        let count = max(1, CachePageLayout.pageCount(tokens))
        memory = .allocate(byteCount: count * layout.byteCount, alignment: 64)
        // Unwritten memory must not matter.
        memory.initializeMemory(as: UInt8.self, repeating: 0xFF, count: count * layout.byteCount)
        starts = .allocate(capacity: count)
        var random = SplitMix64(seed: 9)
        for (index, page) in (0..<count).shuffled(using: &random).enumerated() {
            (starts + index).initialize(to: memory + page * layout.byteCount)
        }
    }

    deinit {
        memory.deallocate()
        starts.deallocate()
    }

    /// Rows of a batch that follow the given number of tokens.
    func sequence(rows: Range<Int>, after firstToken: Int) -> CachedSequence {
        CachedSequence(rows: rows, firstToken: firstToken, pages: starts)
    }

    /// Stores rows and lets queries attend to them and to those before.
    func attended(
        _ queries: Activations, _ keys: Activations, _ values: Activations, after firstToken: Int,
        _ shape: AttentionShape, _ mask: AttentionMask, _ ops: TensorOps
    ) -> [Float] {
        let sequences = [sequence(rows: 0..<queries.rows, after: firstToken)]
        ops.store(keys: keys, values: values, of: sequences, layer: 1, layout)
        let result = Activations(rows: queries.rows, width: queries.width)
        ops.attention(queries, to: sequences, layer: 1, layout, shape, mask, into: result)
        return result.array
    }
}
