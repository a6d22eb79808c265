// SPDX-License-Identifier: Apache-2.0
import KernelInterface

/// Which tokens a query sees.
///
/// Tokens count by their order in the sequence, whatever their positions are: pruned ones are not among them.
public enum AttentionMask: Sendable, Equatable {
    /// All tokens.
    case full
    /// The query's own token and those before it.
    case causal
    /// The latest tokens up to the query's own, this many (arXiv 2310.06825).
    case window(Int)
}

/// The shape of an attention layer.
public struct AttentionShape: Sendable, Equatable {
    /// Query heads.
    public let heads: Int
    /// Key and value heads; divides `heads` (arXiv 2305.13245).
    public let keyValueHeads: Int
    /// Numbers per head.
    public let headWidth: Int

    /// `heads` query heads on `keyValueHeads` key and value heads.
    public init(heads: Int, keyValueHeads: Int, headWidth: Int) {
        precondition(keyValueHeads > 0 && heads % keyValueHeads == 0)
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
    /// Factor on the products of queries and keys.
    public var scale: Float { 1 / Float(headWidth).squareRoot() }
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
                mask: .full, shape: shape, result: result.values)
        }
        return result
    }

    /// The attention of every sequence's rows to its own tokens, which `store` has written.
    ///
    /// - Parameter result: as large as the queries.
    public func attention(
        _ queries: Activations, to sequences: [CachedSequence], layer: Int,
        _ layout: CachePageLayout, _ shape: AttentionShape, _ mask: AttentionMask,
        into result: Activations
    ) {
        precondition(queries.width == shape.queryWidth && result.width == queries.width)
        precondition(result.rows == queries.rows)
        attend(sequences: sequences.count) { index in
            let sequence = sequences[index]
            return AttentionPass(
                queries: queries.values + sequence.rows.lowerBound * queries.width,
                rows: sequence.rows.count, tokens: .cached(sequence, layer, layout), mask: mask,
                shape: shape, result: result.values + sequence.rows.lowerBound * result.width)
        }
    }

    /// How much one query row attends to each key row, summed over the heads.
    ///
    /// - Returns: `[keys.rows]`; the sum of all is the number of heads.
    public func attentionWeights(
        ofRow row: Int, _ queries: Activations, keys: Activations, _ shape: AttentionShape
    ) -> [Float] {
        precondition(queries.width == shape.queryWidth && keys.width == shape.keyValueWidth)
        let query = queries.row(row)
        let weights = Activations(rows: shape.heads, width: keys.rows)
        forEachRow(of: weights) { scores, head in
            let source = head / shape.group * shape.headWidth
            for token in 0..<keys.rows {
                scores[token] =
                    shape.scale
                    * innerProduct(
                        query + head * shape.headWidth, keys.row(token) + source, shape.headWidth)
            }
            kernels.softmax(scores, keys.rows)
        }
        var totals = [Float](repeating: 0, count: keys.rows)
        for head in 0..<shape.heads { kernels.add(&totals, weights.row(head), keys.rows) }
        return totals
    }
}
