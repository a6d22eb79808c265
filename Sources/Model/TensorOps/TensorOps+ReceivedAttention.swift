// SPDX-License-Identifier: Apache-2.0
import KernelInterface
import WeightPanels

extension TensorOps {
    /// How much attention each key receives: `softmax(Q Kᵀ / √headWidth)`, averaged over the queries and summed
    /// over the heads.
    ///
    /// It is the same bits on any number of threads.
    ///
    /// - Returns: `[keys.rows]`; the sum of all is the number of heads.
    public func receivedAttention(
        _ queries: Activations, keys: Activations, _ shape: AttentionShape
    ) -> [Float] {
        precondition(queries.width == shape.queryWidth && keys.width == shape.keyValueWidth)
        precondition(queries.rows > 0 && keys.rows > 0)
        let ofHeads = activations(rows: shape.heads, width: keys.rows)
        pool.forEach(shape.heads) { index, thread in
            let head = ReceivingHead(
                queries: queries, keys: keys, index: index, shape: shape, kernels: kernels)
            head.addWeights(to: ofHeads.row(index), scratch, thread)
        }
        var totals = [Float](repeating: 0, count: keys.rows)
        for head in 0..<shape.heads { kernels.add(&totals, ofHeads.row(head), keys.rows) }
        return totals.map { $0 / Float(queries.rows) }
    }
}

/// The attention of one head's queries to its keys.
private struct ReceivingHead {
    let queries: Activations  // [rows, heads · width]
    let keys: Activations  // [tokens, keyValueHeads · width]
    let index: Int
    let shape: AttentionShape
    let kernels: KernelTable

    private static let rowsPerTile = FloatPanelKernels.rowsPerTile
    private static let columns = PanelKind.columns

    private var width: Int { shape.headWidth }
    private var panels: Int { (keys.rows + Self.columns - 1) / Self.columns }

    /// Sets `totals` to the sums of the queries' weights: `[tokens]`.
    func addWeights(
        to totals: UnsafeMutablePointer<Float>, _ scratch: ThreadScratch, _ thread: Int
    ) {
        let columns = Self.columns
        let panelSize = columns * width
        let stride = panels * columns
        let packed = scratch.floats(
            (panels + 1) * panelSize + Self.rowsPerTile * stride, thread: thread)
        let scores = packed + (panels + 1) * panelSize
        pack(into: packed, buffer: packed + panels * panelSize)
        totals.update(repeating: 0, count: keys.rows)
        let product = kernels.floatPanels.product(.f32)
        for first in Swift.stride(from: 0, to: queries.rows, by: Self.rowsPerTile) {
            let rows = min(Self.rowsPerTile, queries.rows - first)
            for panel in 0..<panels {
                product(
                    rows, queries.row(first) + index * width, queries.width,
                    packed + panel * panelSize, width, scores + panel * columns, stride)
            }
            for row in 0..<rows {
                kernels.softmax(scores + row * stride, keys.rows)
                kernels.add(totals, scores + row * stride, keys.rows)
            }
        }
    }

    /// Makes panels of the keys times the scale of the scores.
    ///
    /// - Parameter buffer: room for the keys of a panel.
    private func pack(
        into packed: UnsafeMutablePointer<Float>, buffer: UnsafeMutablePointer<Float>
    ) {
        let packer = PanelPacker(.f32, inputs: width)
        let column = index / shape.group * width
        for panel in 0..<panels {
            let first = panel * Self.columns
            let count = min(Self.columns, keys.rows - first)
            for token in 0..<count {
                let source = keys.row(first + token) + column
                let target = buffer + token * width
                for number in 0..<width { target[number] = source[number] * shape.scale }
            }
            _ = packer.pack(buffer, count: count, into: packed + panel * Self.columns * width)
        }
    }
}
