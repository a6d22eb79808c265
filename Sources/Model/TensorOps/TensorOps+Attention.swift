// SPDX-License-Identifier: Apache-2.0
import KernelInterface

/// The shape of an attention layer.
public struct AttentionShape: Sendable, Equatable {
    /// Query heads.
    public let heads: Int
    /// Key and value heads; divides `heads` (arXiv 2305.13245).
    public let keyValueHeads: Int
    /// Numbers per head.
    public let headWidth: Int
    /// The latest tokens that a query of causal attention sees, its own included; nil for all.
    public let window: Int?

    /// `heads` query heads on `keyValueHeads` key and value heads.
    public init(heads: Int, keyValueHeads: Int, headWidth: Int, window: Int? = nil) {
        precondition(keyValueHeads > 0 && heads % keyValueHeads == 0)
        precondition(window.map { $0 > 0 } ?? true, "a window holds the token itself")
        self.window = window
        self.heads = heads
        self.keyValueHeads = keyValueHeads
        self.headWidth = headWidth
    }

    /// Numbers per token in the queries.
    public var queryWidth: Int { heads * headWidth }
    /// Numbers per token in the keys, and in the values.
    public var keyValueWidth: Int { keyValueHeads * headWidth }
    /// Query heads on one key-value head.
    public var group: Int { heads / keyValueHeads }
}

extension TensorOps {
    /// `softmax(Q Kᵀ / √headWidth) V` for every head, where every query sees all tokens (arXiv
    /// 1706.03762).
    ///
    /// A row's result depends, bit for bit, only on its query and on the keys and values that it
    /// sees: neither on the rows beside it nor on the threads.
    public func attention(
        _ queries: Activations, keys: Activations, values: Activations, _ shape: AttentionShape
    ) -> Activations {
        precondition(queries.width == shape.queryWidth && keys.width == shape.keyValueWidth)
        let result = activations(rows: queries.rows, width: queries.width)
        attend(sequences: 1) { _ in
            AttentionPass(
                queries: queries.values, rows: queries.rows, tokens: .rows(keys, values),
                shape: shape, result: result.values)
        }
        return result
    }

    /// Causal attention of every sequence's rows to its own tokens, which `store` has written.
    ///
    /// The shape's window counts rows of the cache, so pruned tokens are not in it.
    ///
    /// - Parameter result: as large as the queries.
    public func attention(
        _ queries: Activations, to sequences: [CachedSequence], layer: Int,
        _ layout: CachePageLayout, _ shape: AttentionShape, into result: Activations
    ) {
        precondition(queries.width == shape.queryWidth && result.width == queries.width)
        precondition(result.rows == queries.rows)
        attend(sequences: sequences.count) { index in
            let sequence = sequences[index]
            return AttentionPass(
                queries: queries.values + sequence.rows.lowerBound * queries.width,
                rows: sequence.rows.count, tokens: .cached(sequence, layer, layout), shape: shape,
                result: result.values + sequence.rows.lowerBound * result.width)
        }
    }
}
