// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import KernelInterface
import WeightPanels

extension TensorOps {
    /// `input · Wᵀ + b`.
    public func linear(_ layer: LinearLayer, _ input: Activations) -> Activations {
        let result = activations(rows: input.rows, width: layer.outputs)
        linear(layer, input, into: result)
        return result
    }

    /// `input · Wᵀ + b`, without an allocation.
    ///
    /// - Parameter result: as many rows as the input, and as wide as the layer's outputs.
    public func linear(_ layer: LinearLayer, _ input: Activations, into result: Activations) {
        multiply(CollectionOfOne(layer), input, into: CollectionOfOne(result))
    }

    /// `function(input · Wᵀ + b)`, the same bits as if the function were applied afterwards.
    public func linear(
        _ layer: LinearLayer, _ input: Activations, then function: FeedForwardActivation
    ) -> Activations {
        let result = activations(rows: input.rows, width: layer.outputs)
        multiply(
            CollectionOfOne(layer), input, into: CollectionOfOne(result),
            .activated(kernel(of: function)))
        return result
    }

    /// `sum += input · Wᵀ + b`, the same bits as if the product were added afterwards.
    ///
    /// - Parameter sum: as many rows as the input, and as wide as the layer's outputs; not the input.
    public func addLinear(_ layer: LinearLayer, _ input: Activations, to sum: Activations) {
        precondition(sum !== input, "a layer's input is not its sum")
        multiply(CollectionOfOne(layer), input, into: CollectionOfOne(sum), .added)
    }

    /// The products of several layers with one input, in one fork-join.
    ///
    /// A row's products are the same bits for any rows beside it, for any number of threads, and
    /// whether or not floats were packed before.
    public func linear(_ layers: [LinearLayer], _ input: Activations) -> [Activations] {
        let results = layers.map { activations(rows: input.rows, width: $0.outputs) }
        linear(layers, input, into: results)
        return results
    }

    /// The products of several layers with one input, in one fork-join.
    ///
    /// - Parameter results: as many rows as the input, and as wide as the layers' outputs.
    public func linear(_ layers: [LinearLayer], _ input: Activations, into results: [Activations]) {
        multiply(layers, input, into: results)
    }

    private func multiply(
        _ layers: some Collection<LinearLayer>, _ input: Activations,
        into results: some Collection<Activations>, _ end: ProductEnd = .stored
    ) {
        for (layer, result) in zip(layers, results) {
            precondition(layer.inputs == input.width, "a layer takes \(layer.inputs) inputs")
            precondition(result.rows == input.rows && result.width == layer.outputs)
        }
        if layers.contains(where: { $0.packed != nil }) {
            packedLinear(layers, input, activationMode.scaling ?? .powerOfTwo, into: results, end)
        }
        for (layer, result) in zip(layers, results) where layer.packed == nil {
            exactLinear(layer, input, into: result, end)
        }
    }

    /// The products with exactly decoded weights, which are packed panel by panel as they are used.
    private func exactLinear(
        _ layer: LinearLayer, _ input: Activations, into result: Activations, _ end: ProductEnd
    ) {
        guard input.rows > 0 else { return }
        let weight = layer.weight
        let packer = PanelPacker(.f32, inputs: weight.inputs)
        let tiles = RowTiles(rows: input.rows, most: FloatPanelKernels.rowsPerTile)
        let size = PanelKind.columns * weight.inputs
        let product = kernels.floatPanels.product(.f32)
        let panels = (weight.outputs + PanelKind.columns - 1) / PanelKind.columns
        pool.forEach(panels) { index, thread in
            let first = index * PanelKind.columns
            let outputs = first..<min(first + PanelKind.columns, weight.outputs)
            let decoded = scratch.floats(
                2 * size + PanelTarget.tileCount(panels: 1), thread: thread)
            let panel = UnsafeMutableRawPointer(decoded + size)
            weight.decode(rows: outputs, into: decoded)
            _ = packer.pack(decoded, count: outputs.count, into: panel)
            let target = PanelTarget(
                result, outputs, of: layer, end, tile: decoded + 2 * size, kernels.add)
            target.store(0..<tiles.count, of: tiles) { _, range, out, stride in
                product(
                    range.count, input.row(range.lowerBound), input.width, panel, weight.inputs,
                    out, stride)
            }
        }
    }
}
