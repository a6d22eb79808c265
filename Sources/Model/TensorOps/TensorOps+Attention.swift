// SPDX-License-Identifier: Apache-2.0
import COpenBLAS

/// The keys or the values that attention reads: one row per token, all heads side by side.
public enum AttendedRows: Sendable {
    /// Activations of the same pass.
    case floats(Activations)  // [tokens, keyValueHeads · headWidth]
    /// Rows of a cache.
    case cached(CachedRows)  // [tokens, keyValueHeads · headWidth]
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
}

/// Which rows a query sees.
public enum AttentionMask: Sendable, Equatable {
    /// All of them.
    case none
    /// Query row r sees the rows 0…firstRow + r.
    case causal(firstRow: Int)
}

extension TensorOps {
    /// Query rows whose scores one thread holds at a time.
    private static let queriesPerBlock = 64

    /// `softmax(Q Kᵀ / √headWidth) V` for every head (arXiv 1706.03762).
    ///
    /// Memory grows linearly with `tokens`: a thread holds the keys and values of one head and the
    /// scores of one block of queries.
    public func attention(
        _ queries: Activations, keys: AttendedRows, values: AttendedRows, tokens: Int,
        _ shape: AttentionShape, mask: AttentionMask
    ) -> Activations {
        precondition(queries.width == shape.queryWidth)
        let result = activations(rows: queries.rows, width: queries.width)
        let blocks = (queries.rows + Self.queriesPerBlock - 1) / Self.queriesPerBlock
        pool.forEach(blocks * shape.keyValueHeads) { task, thread in
            let first = task / shape.keyValueHeads * Self.queriesPerBlock
            let rows = first..<min(first + Self.queriesPerBlock, queries.rows)
            attend(
                queries, rows, keys, values, tokens, shape,
                keyValueHead: task % shape.keyValueHeads, mask, result, thread)
        }
        return result
    }

    private func attend(
        _ queries: Activations, _ rows: Range<Int>, _ keys: AttendedRows, _ values: AttendedRows,
        _ tokens: Int, _ shape: AttentionShape, keyValueHead: Int, _ mask: AttentionMask,
        _ result: Activations, _ thread: Int
    ) {
        let headWidth = shape.headWidth
        func visibleRows(_ row: Int) -> Int {
            switch mask {
            case .none: tokens
            case .causal(let firstRow): firstRow + row + 1
            }
        }
        let visible = visibleRows(rows.upperBound - 1)
        precondition(visible <= tokens)
        let memory = scratch.floats(
            visible * (2 * headWidth + rows.count), thread: thread)
        let (headValues, scores) = (memory + visible * headWidth, memory + 2 * visible * headWidth)
        let columns = (keyValueHead * headWidth)..<((keyValueHead + 1) * headWidth)
        copy(keys, visible, columns, into: memory)
        copy(values, visible, columns, into: headValues)

        let group = shape.heads / shape.keyValueHeads
        for head in (keyValueHead * group)..<((keyValueHead + 1) * group) {
            let offset = rows.lowerBound * queries.width + head * headWidth
            cblas_sgemm(
                CblasRowMajor, CblasNoTrans, CblasTrans, Int32(rows.count), Int32(visible),
                Int32(headWidth), 1 / Float(headWidth).squareRoot(), queries.values + offset,
                Int32(queries.width), memory, Int32(headWidth), 0, scores, Int32(visible))
            for row in rows {
                let rowScores = scores + (row - rows.lowerBound) * visible
                kernels.softmax(rowScores, visibleRows(row))
                let hidden = visible - visibleRows(row)
                (rowScores + visibleRows(row)).update(repeating: 0, count: hidden)
            }
            cblas_sgemm(
                CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(rows.count), Int32(headWidth),
                Int32(visible), 1, scores, Int32(visible), headValues, Int32(headWidth), 0,
                result.values + offset, Int32(result.width))
        }
    }

    /// Gathers one head's numbers of the first `count` tokens.
    private func copy(
        _ source: AttendedRows, _ count: Int, _ columns: Range<Int>,
        into out: UnsafeMutablePointer<Float>
    ) {
        for token in 0..<count {
            let target = out + token * columns.count
            switch source {
            case .floats(let rows):
                target.update(from: rows.row(token) + columns.lowerBound, count: columns.count)
            case .cached(let rows):
                rows.read(token, columns, into: target, kernels)
            }
        }
    }
}
