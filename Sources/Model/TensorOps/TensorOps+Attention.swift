// SPDX-License-Identifier: Apache-2.0
import Kernels

/// The keys or the values that attention reads: one row per token, all heads side by side.
public enum AttendedRows: Sendable {
    /// Activations of the same pass.
    case floats(Activations)  // [tokens, keyValueHeads · headWidth]
    /// Rows of a cache.
    case cached(CachedRows)  // [tokens, keyValueHeads · headWidth]

    /// The numbers of every token from `column` on, starting with token `first`.
    func head(_ column: Int, from first: Int) -> HeadRows {
        switch self {
        case .floats(let rows):
            HeadRows(
                start: UnsafeRawPointer(rows.values + first * rows.width + column),
                stride: rows.width, areHalves: false)
        case .cached(let rows): rows.head(column, from: first)
        }
    }
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
}

/// Which rows a query sees.
public enum AttentionMask: Sendable, Equatable {
    /// All of them.
    case none
    /// Query row r sees the rows 0…firstRow + r.
    case causal(firstRow: Int)
}

extension TensorOps {
    /// `softmax(Q Kᵀ / √headWidth) V` for every head (arXiv 1706.03762).
    ///
    /// A row's result depends, bit for bit, on its query and on the keys and values that it sees, and on
    /// nothing else: not on the rows beside it, nor on the threads.
    public func attention(
        _ queries: Activations, keys: AttendedRows, values: AttendedRows, tokens: Int,
        _ shape: AttentionShape, mask: AttentionMask
    ) -> Activations {
        precondition(queries.width == shape.queryWidth)
        let result = activations(rows: queries.rows, width: queries.width)
        AttentionPass(
            queries: queries.values, rows: queries.rows, keys: keys, values: values,
            tokens: tokens, shape: shape, mask: mask, result: result.values
        ).run(self)
        return result
    }
}
