// SPDX-License-Identifier: Apache-2.0
import KernelInterface

/// Where the products with one panel, or with consecutive full panels, go.
struct PanelTarget {
    private let result: Activations
    private let outputs: Range<Int>
    private let bias: [Float]?
    private let edge: UnsafeMutablePointer<Float>?
    private let add: KernelTable.Addition

    /// Numbers of extra memory that a tile needs for a panel that is not full.
    static let edgeCount = 8 * PanelKind.columns

    /// - Parameter edge: room for `edgeCount` numbers.
    init(
        _ result: Activations, _ outputs: Range<Int>, bias: [Float]?,
        edge: UnsafeMutablePointer<Float>, _ add: @escaping KernelTable.Addition
    ) {
        self.result = result
        self.outputs = outputs
        self.bias = bias
        self.edge = outputs.count < PanelKind.columns ? edge : nil
        self.add = add
    }

    /// Stores what `multiply` writes for each tile of rows, and adds the bias.
    @inline(__always)
    func store(
        _ tiles: RowTiles,
        _ multiply: (
            _ tile: Int, _ rows: Range<Int>, _ out: UnsafeMutablePointer<Float>, _ stride: Int
        ) -> Void
    ) {
        for tile in 0..<tiles.count {
            let rows = tiles[tile]
            let target = result.row(rows.lowerBound) + outputs.lowerBound
            multiply(tile, rows, edge ?? target, edge == nil ? result.width : PanelKind.columns)
            if let edge {
                for row in 0..<rows.count {
                    (target + row * result.width).update(
                        from: edge + row * PanelKind.columns, count: outputs.count)
                }
            }
            bias?.withUnsafeBufferPointer { bias in
                guard let bias = bias.baseAddress else { return }
                for row in 0..<rows.count {
                    add(target + row * result.width, bias + outputs.lowerBound, outputs.count)
                }
            }
        }
    }
}
