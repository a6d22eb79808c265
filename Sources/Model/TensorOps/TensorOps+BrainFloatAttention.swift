// SPDX-License-Identifier: Apache-2.0
import KernelInterface

extension TensorOps {
    /// Whether `brainFloatAttention` supports heads of this shape and is faster than `attention`.
    public func prefersBrainFloatAttention(_ shape: AttentionShape) -> Bool {
        kernels.floatPanels.hasBrainFloatDot && shape.group == 1 && shape.headWidth % 2 == 0
    }

    /// `softmax(Q Kᵀ / √headWidth) V` for every head, where every row sees all others.
    ///
    /// All numbers are rounded to bf16 before they are multiplied. A row's result depends, bit
    /// for bit, only on its query, the keys and the values.
    public func brainFloatAttention(
        _ queries: Activations, keys: Activations, values: Activations, _ shape: AttentionShape
    ) -> Activations {
        precondition(keys.rows == values.rows && keys.rows > 0)
        precondition(shape.group == 1 && shape.headWidth % 2 == 0)
        let result = activations(rows: queries.rows, width: queries.width)
        // Tasks of half a head's queries balance a number of threads that does not divide the
        // heads.
        let parts = shape.heads % pool.threadCount == 0 ? 1 : 2
        pool.forEach(shape.heads * parts) { task, thread in
            let part = task % parts
            let head = AttentionHead(
                queries: queries, keys: keys, values: values, result: result,
                column: task / parts * shape.headWidth, width: shape.headWidth, scale: shape.scale,
                kernels: kernels.floatPanels)
            head.attend(
                (part * queries.rows / parts)..<((part + 1) * queries.rows / parts), scratch, thread
            )
        }
        return result
    }
}

/// The attention of one head.
private struct AttentionHead {
    let queries: Activations  // [rows, heads · width]
    let keys: Activations  // [tokens, heads · width]
    let values: Activations  // [tokens, heads · width]
    let result: Activations  // [rows, heads · width]
    /// The head's first column.
    let column: Int
    let width: Int
    /// Factor on the scores.
    let scale: Float
    let kernels: FloatPanelKernels

    private static let rowsPerTile = FloatPanelKernels.rowsPerTile

    private var tokens: Int { keys.rows }
    private var keyPanels: Int { (tokens + PanelKind.columns - 1) / PanelKind.columns }
    private var valuePanels: Int { (width + PanelKind.columns - 1) / PanelKind.columns }
    private var tokenPairs: Int { (tokens + 1) / 2 }

    /// Computes the results of some rows.
    func attend(_ rows: Range<Int>, _ scratch: ThreadScratch, _ thread: Int) {
        let memory = memory(scratch, thread)
        let packing = kernels.brainFloatAttention
        packing.packColumns(keys.row(0) + column, keys.width, tokens, width, memory.keys)
        packing.packRows(values.row(0) + column, values.width, tokens, width, memory.values)
        for start in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.rowsPerTile) {
            attend(start..<min(start + Self.rowsPerTile, rows.upperBound), memory)
        }
    }

    private struct Memory {
        let keys: UnsafeMutablePointer<UInt32>  // panels of [width / 2, 32] pairs
        let values: UnsafeMutablePointer<UInt32>  // panels of [tokenPairs, 32] pairs
        let numbers: UnsafeMutablePointer<Float>  // [6, width] of queries, then of results
        let scores: UnsafeMutablePointer<Float>  // [6, 32 · keyPanels]
        /// Queries, `[6, width]`, then weights, `[6, 2 · tokenPairs]`.
        let rounded: UnsafeMutablePointer<UInt16>
    }

    private func memory(_ scratch: ThreadScratch, _ thread: Int) -> Memory {
        let columns = PanelKind.columns
        let keyWords = keyPanels * columns * width / 2
        let valueWords = valuePanels * columns * tokenPairs
        let numbers = Self.rowsPerTile * valuePanels * columns
        let scores = Self.rowsPerTile * keyPanels * columns
        let rounded = Self.rowsPerTile * max(width / 2, tokenPairs)
        let start = scratch.floats(
            keyWords + valueWords + numbers + scores + rounded, thread: thread)
        let words = UnsafeMutableRawPointer(start)
        let floats = start + keyWords + valueWords
        return Memory(
            keys: words.assumingMemoryBound(to: UInt32.self),
            values: (words + 4 * keyWords).assumingMemoryBound(to: UInt32.self),
            numbers: floats, scores: floats + numbers,
            rounded: UnsafeMutableRawPointer(floats + numbers + scores)
                .assumingMemoryBound(to: UInt16.self))
    }

    /// The results of up to six rows.
    private func attend(_ rows: Range<Int>, _ memory: Memory) {
        roundQueries(rows, memory)
        let product = kernels.brainFloatProduct
        let columns = PanelKind.columns
        let scoreStride = keyPanels * columns
        for panel in 0..<keyPanels {
            product(
                rows.count, memory.rounded, width, memory.keys + panel * columns * width / 2, width,
                memory.scores + panel * columns, scoreStride)
        }
        for row in 0..<rows.count {
            let scores = memory.scores + row * scoreStride
            let weights = memory.rounded + row * 2 * tokenPairs
            weights[2 * tokenPairs - 1] = 0
            kernels.brainFloatAttention.softmax(scores, weights, tokens)
        }
        let stride = valuePanels * columns
        for panel in 0..<valuePanels {
            product(
                rows.count, memory.rounded, 2 * tokenPairs,
                memory.values + panel * columns * tokenPairs, tokens,
                memory.numbers + panel * columns, stride)
        }
        for (index, row) in rows.enumerated() {
            (result.row(row) + column)
                .update(from: memory.numbers + index * stride, count: width)
        }
    }

    /// Queries multiplied by the scale of the scores.
    private func roundQueries(_ rows: Range<Int>, _ memory: Memory) {
        for (index, row) in rows.enumerated() {
            let source = queries.row(row) + self.column
            for column in 0..<width { memory.numbers[column] = source[column] * scale }
            kernels.brainFloatsFromFloats(
                memory.numbers, memory.rounded + index * width, width)
        }
    }
}
