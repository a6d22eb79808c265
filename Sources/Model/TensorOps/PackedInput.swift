// SPDX-License-Identifier: Apache-2.0
import KernelInterface

/// One input's rows in every form that the layers' kernels read.
struct PackedInput {
    let floats: Activations
    let floatTiles: RowTiles
    let quantised: QuantisedRows?
    let brainFloats: BrainFloatRows?

    init(
        _ input: Activations, for layers: some Collection<LinearLayer>,
        _ scaling: ActivationScaling, _ ops: TensorOps
    ) {
        floats = input
        floatTiles = RowTiles(rows: input.rows, most: FloatPanelKernels.rowsPerTile)
        let needsBytes = layers.contains { $0.packed.map { !$0.kind.isFloat } ?? false }
        quantised = needsBytes ? ops.quantised(input, scaling) : nil
        let needsBrainFloats = layers.contains { $0.roundsInputs }
        brainFloats = needsBrainFloats ? ops.brainFloats(input) : nil
    }

    func giveBack(to buffers: ReusedBuffers) {
        if let quantised { buffers.giveBack(quantised.buffer) }
        if let brainFloats { buffers.giveBack(brainFloats.buffer) }
    }
}

extension TensorOps {
    /// The products of packed layers with one input, in one fork-join.
    func packedLinear(
        _ layers: some Collection<LinearLayer>, _ input: Activations, _ scaling: ActivationScaling,
        into results: some Collection<Activations>, _ end: ProductEnd
    ) {
        guard input.rows > 0 else { return }
        let rows = PackedInput(input, for: layers, scaling, self)
        defer { rows.giveBack(to: buffers) }
        let products = PackedProducts(layers, rows, into: results, end, self)
        pool.forEach(products.chunkCount) { products.multiply(chunk: $0, thread: $1) }
    }
}
