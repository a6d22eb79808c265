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
    /// Multiplications of one index of a job: at least a hundred times what handing it out costs, and at
    /// most what takes a core some 50 µs for one row, which memory is read in long runs for.
    private static let multiplicationsPerChunk = (1 << 17)...(1 << 21)
    /// Indices that come to each thread where they are that long: what one of them takes longer than the
    /// others is then a small part.
    private static let chunksPerThread = 4

    /// The products of packed layers with one input, in one fork-join.
    func packedLinear(
        _ layers: [LinearLayer], _ input: Activations, _ scaling: ActivationScaling,
        into results: [Activations]
    ) {
        guard input.rows > 0 else { return }
        let rows = PackedInput(input, for: layers, scaling, self)
        defer { rows.giveBack(to: buffers) }
        let limits = Self.multiplicationsPerChunk
        let multiplications = layers.reduce(0) {
            $0 + ($1.packed.map { $0.outputs * $0.inputs * input.rows } ?? 0)
        }
        let perChunk = min(
            max(multiplications / (Self.chunksPerThread * pool.threadCount), limits.lowerBound),
            limits.upperBound)
        func panelsPerChunk(_ matrix: PackedMatrix) -> Int {
            max(1, perChunk / (PanelKind.columns * matrix.inputs * input.rows))
        }
        func chunkCount(_ matrix: PackedMatrix) -> Int {
            let panels = panelsPerChunk(matrix)
            return (matrix.panelCount + panels - 1) / panels
        }
        let chunks = layers.reduce(0) { $0 + ($1.packed.map(chunkCount) ?? 0) }
        pool.forEach(chunks) { index, thread in
            var chunk = index
            for (layer, result) in zip(layers, results) {
                guard let matrix = layer.packed else { continue }
                guard chunk >= chunkCount(matrix) else {
                    let panels = panelsPerChunk(matrix)
                    let end = min((chunk + 1) * panels, matrix.panelCount)
                    multiply(layer, matrix, chunk * panels..<end, rows, into: result, thread)
                    return
                }
                chunk -= chunkCount(matrix)
            }
        }
    }

    /// All rows by some panels.
    ///
    /// A single tile takes neighbouring panels in one call, so that memory is read as one stream. Several
    /// tiles take a panel one after the other, while it is in a cache.
    private func multiply(
        _ layer: LinearLayer, _ matrix: PackedMatrix, _ panels: Range<Int>, _ rows: PackedInput,
        into result: Activations, _ thread: Int
    ) {
        let takesRuns = !matrix.kind.isFloat && rows.quantised?.tiles.count == 1
        var first = panels.lowerBound
        while first < panels.upperBound {
            // The last panel goes alone if it is not full.
            let run =
                takesRuns ? first..<min(panels.upperBound, matrix.fullPanelCount) : first..<first
            let end = max(run.upperBound, first + 1)
            multiply(layer, matrix, run: first..<end, rows, into: result, thread)
            first = end
        }
    }

    /// All rows by one panel, or the rows of a single tile by full panels that lie one after the other.
    private func multiply(
        _ layer: LinearLayer, _ matrix: PackedMatrix, run panels: Range<Int>, _ rows: PackedInput,
        into result: Activations, _ thread: Int
    ) {
        let (kind, first) = (matrix.kind, matrix.panel(panels.lowerBound))
        let (inputs, superblocks) = (matrix.inputs, matrix.superblocks)
        let expansion = rows.quantised.flatMap {
            kind.isFloat ? nil : kernels.panels.expansion(kind, $0.scaling, tiles: $0.tiles.count)
        }
        let memory = scratch.floats(
            PanelTarget.edgeCount + superblocks * (expansion?.superblockBytes ?? 0) / 4,
            thread: thread)
        let target = PanelTarget(
            result, matrix.outputs(ofPanels: panels), bias: layer.bias, edge: memory, kernels.add)
        if layer.roundsInputs, let values = rows.brainFloats {
            let product = kernels.floatPanels.brainFloatProduct
            target.store(rows.floatTiles) { _, range, out, stride in
                product(
                    range.count, values.row(range.lowerBound), values.stride, first, inputs, out,
                    stride)
            }
        } else if kind.isFloat {
            let product = kernels.floatPanels.product(kind)
            target.store(rows.floatTiles) { _, range, out, stride in
                product(
                    range.count, rows.floats.row(range.lowerBound), rows.floats.width, first,
                    inputs, out, stride)
            }
        } else if let values = rows.quantised {
            if let expansion {
                let expanded = UnsafeMutableRawPointer(memory + PanelTarget.edgeCount)
                expansion.expand(first, superblocks, expanded)
                target.store(values.tiles) { tile, range, out, stride in
                    expansion.product(
                        range.count, expanded, 1, superblocks, values.tile(tile), out, stride)
                }
            } else {
                let product = kernels.panels.product(kind, values.scaling)
                target.store(values.tiles) { tile, range, out, stride in
                    product(
                        range.count, first, panels.count, superblocks, values.tile(tile), out,
                        stride)
                }
            }
        }
    }
}
