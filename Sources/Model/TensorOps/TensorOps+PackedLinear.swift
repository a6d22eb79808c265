// SPDX-License-Identifier: Apache-2.0
import Kernels

/// One input's rows in every form that some layers' kernels read.
private struct PackedInput {
    let floats: Activations
    let floatTiles: RowTiles
    let quantised: QuantisedRows?
    let brainFloats: BrainFloatRows?

    init(
        _ input: Activations, for layers: [LinearLayer], _ scaling: ActivationScaling,
        _ ops: TensorOps
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
    /// Work on one index of a job: more than a hundred times what handing it out costs.
    private static let multiplicationsPerChunk = 1 << 19

    /// Panels of a matrix that a thread multiplies at a time.
    private func panelsPerChunk(_ matrix: PackedMatrix, rows: Int) -> Int {
        max(1, Self.multiplicationsPerChunk / (PanelKind.columns * matrix.inputs * rows))
    }

    /// The products of packed layers with one input, in one fork-join.
    func packedLinear(
        _ layers: [LinearLayer], _ input: Activations, _ scaling: ActivationScaling,
        into results: [Activations]
    ) {
        guard input.rows > 0 else { return }
        let rows = PackedInput(input, for: layers, scaling, self)
        defer { rows.giveBack(to: buffers) }
        func chunkCount(_ matrix: PackedMatrix) -> Int {
            let panels = panelsPerChunk(matrix, rows: input.rows)
            return (matrix.panelCount + panels - 1) / panels
        }
        let chunks = layers.reduce(0) { $0 + ($1.packed.map(chunkCount) ?? 0) }
        pool.forEach(chunks) { index, thread in
            var chunk = index
            for (layer, result) in zip(layers, results) {
                guard let matrix = layer.packed else { continue }
                guard chunk >= chunkCount(matrix) else {
                    let panels = panelsPerChunk(matrix, rows: input.rows)
                    let end = min((chunk + 1) * panels, matrix.panelCount)
                    for panel in (chunk * panels)..<end {
                        multiply(layer, matrix, panel, rows, into: result, thread)
                    }
                    return
                }
                chunk -= chunkCount(matrix)
            }
        }
    }

    /// All rows by one panel.
    private func multiply(
        _ layer: LinearLayer, _ matrix: PackedMatrix, _ index: Int, _ rows: PackedInput,
        into result: Activations, _ thread: Int
    ) {
        let (kind, panel) = (matrix.kind, matrix.panel(index))
        let (inputs, superblocks) = (matrix.inputs, matrix.superblocks)
        let expansion = rows.quantised.flatMap {
            kind.isFloat ? nil : kernels.panels.expansion(kind, $0.scaling, tiles: $0.tiles.count)
        }
        let memory = scratch.floats(
            PanelTarget.edgeCount + superblocks * (expansion?.superblockBytes ?? 0) / 4,
            thread: thread)
        let target = PanelTarget(
            result, matrix.outputs(ofPanel: index), bias: layer.bias, edge: memory, kernels.add)
        if layer.roundsInputs, let values = rows.brainFloats {
            let product = kernels.floatPanels.brainFloatProduct
            target.store(rows.floatTiles) { _, range, out, stride in
                product(
                    range.count, values.row(range.lowerBound), values.stride, panel, inputs, out,
                    stride)
            }
        } else if kind.isFloat {
            let product = kernels.floatPanels.product(kind)
            target.store(rows.floatTiles) { _, range, out, stride in
                product(
                    range.count, rows.floats.row(range.lowerBound), rows.floats.width, panel,
                    inputs, out, stride)
            }
        } else if let values = rows.quantised {
            if let expansion {
                let expanded = UnsafeMutableRawPointer(memory + PanelTarget.edgeCount)
                expansion.expand(panel, superblocks, expanded)
                target.store(values.tiles) { tile, range, out, stride in
                    expansion.product(
                        range.count, expanded, superblocks, values.tile(tile), out, stride)
                }
            } else {
                let product = kernels.panels.product(kind, values.scaling)
                target.store(values.tiles) { tile, range, out, stride in
                    product(range.count, panel, superblocks, values.tile(tile), out, stride)
                }
            }
        }
    }
}
