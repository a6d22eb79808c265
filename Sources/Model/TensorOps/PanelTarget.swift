// SPDX-License-Identifier: Apache-2.0
import KernelInterface

/// What becomes of a layer's outputs while they are in the first cache.
enum ProductEnd: Sendable {
    /// They are the result.
    case stored
    /// A function of them is the result.
    case activated(KernelTable.InPlace)
    /// They are added to what the result holds.
    case added
}

/// Where the products with one panel, or with consecutive full panels, go.
struct PanelTarget {
    private let result: Activations
    private let outputs: Range<Int>
    private let scale: Float
    private let bias: [Float]?
    private let end: ProductEnd
    /// Where a tile's products are computed; nil if they are computed in the result itself.
    private let tile: UnsafeMutablePointer<Float>?  // [rows, stride]
    private let stride: Int
    private let add: KernelTable.Addition

    /// Numbers of memory for a tile's products with that many panels.
    static func tileCount(panels: Int) -> Int { 8 * panels * PanelKind.columns }

    /// - Parameter tile: room for the products of a tile with all panels.
    init(
        _ result: Activations, _ outputs: Range<Int>, of layer: LinearLayer, _ end: ProductEnd,
        tile: UnsafeMutablePointer<Float>, _ add: @escaping KernelTable.Addition
    ) {
        self.result = result
        self.outputs = outputs
        scale = layer.scale
        bias = layer.bias
        self.end = end
        self.add = add
        var isInPlace = outputs.count % PanelKind.columns == 0
        if case .added = end { isInPlace = false }
        self.tile = isInPlace ? nil : tile
        stride =
            isInPlace
            ? result.width
            : (outputs.count + PanelKind.columns - 1) / PanelKind.columns * PanelKind.columns
    }

    /// Finishes what `multiply` writes for each of some tiles of rows.
    @inline(__always)
    func store(
        _ range: Range<Int>, of tiles: RowTiles,
        _ multiply: (
            _ tile: Int, _ rows: Range<Int>, _ out: UnsafeMutablePointer<Float>, _ stride: Int
        ) -> Void
    ) {
        for index in range {
            let rows = tiles[index]
            let target = result.row(rows.lowerBound) + outputs.lowerBound
            let products = tile ?? target
            multiply(index, rows, products, stride)
            for row in 0..<rows.count {
                finish(products + row * stride, target + row * result.width)
            }
        }
    }

    /// Scales a row of products, adds the bias, and takes them to their place.
    private func finish(
        _ products: UnsafeMutablePointer<Float>, _ target: UnsafeMutablePointer<Float>
    ) {
        if scale != 1 {
            for index in 0..<outputs.count { products[index] *= scale }
        }
        bias?.withUnsafeBufferPointer { bias in
            guard let bias = bias.baseAddress else { return }
            add(products, bias + outputs.lowerBound, outputs.count)
        }
        switch end {
        case .stored: break
        case .activated(let function): function(products, outputs.count)
        case .added: return add(target, products, outputs.count)
        }
        if tile != nil { target.update(from: products, count: outputs.count) }
    }
}
