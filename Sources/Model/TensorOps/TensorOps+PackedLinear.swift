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
    /// most what takes a core some 50 µs for one row, for which memory is read in long runs.
    private static let multiplicationsPerChunk = (1 << 17)...(1 << 21)
    /// Indices that come to each thread where there is enough to do: what one of them takes longer than the
    /// others is then a small part.
    private static let chunksPerThread = 4
    /// Panels that many rows are multiplied by one after the other: half of a second-level cache of 1 MB, so that
    /// these rows come from the third level once for all of the panels.
    private static let panelBytesPerChunk = 1 << 19

    /// The products of packed layers with one input, in one fork-join.
    func packedLinear(
        _ layers: [LinearLayer], _ input: Activations, _ scaling: ActivationScaling,
        into results: [Activations]
    ) {
        guard input.rows > 0 else { return }
        let rows = PackedInput(input, for: layers, scaling, self)
        defer { rows.giveBack(to: buffers) }
        let multiplications = layers.reduce(0) {
            $0 + ($1.packed.map { $0.outputs * $0.inputs * input.rows } ?? 0)
        }
        func panelsPerChunk(_ matrix: PackedMatrix) -> Int {
            self.panelsPerChunk(matrix, rows, multiplications: multiplications)
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

    /// Panels of a matrix that a thread multiplies at a time.
    ///
    /// - Parameter multiplications: of the whole job.
    private func panelsPerChunk(
        _ matrix: PackedMatrix, _ rows: PackedInput, multiplications: Int
    ) -> Int {
        let limits = Self.multiplicationsPerChunk
        let share = Self.chunksPerThread * pool.threadCount
        let perChunk = min(max(multiplications / share, limits.lowerBound), limits.upperBound)
        let byWork = perChunk / (PanelKind.columns * matrix.inputs * rows.floats.rows)
        guard !matrix.kind.isFloat, let values = rows.quantised, values.tiles.count > 1 else {
            return max(1, byWork)
        }
        let superblockBytes =
            expansion(matrix, values)?.superblockBytes ?? matrix.kind.superblockBytes
        let byCache = min(
            Self.panelBytesPerChunk / (matrix.superblocks * superblockBytes),
            matrix.panelCount / share)
        return max(1, byWork, byCache)
    }

    /// How a matrix's panels are unpacked for so many rows; nil if they are not.
    private func expansion(
        _ matrix: PackedMatrix, _ rows: QuantisedRows
    ) -> PanelKernels.Expansion? {
        kernels.panels.expansion(matrix.kind, rows.scaling, tiles: rows.tiles.count)
    }

    /// All rows by some panels; the last one is stored apart if it is not full.
    private func multiply(
        _ layer: LinearLayer, _ matrix: PackedMatrix, _ panels: Range<Int>, _ rows: PackedInput,
        into result: Activations, _ thread: Int
    ) {
        let full = panels.clamped(to: 0..<matrix.fullPanelCount)
        multiply(layer, matrix, run: full, rows, into: result, thread)
        multiply(
            layer, matrix, run: full.upperBound..<panels.upperBound, rows, into: result, thread)
    }

    /// All rows by full panels that lie one after the other, or by one panel.
    private func multiply(
        _ layer: LinearLayer, _ matrix: PackedMatrix, run: Range<Int>, _ rows: PackedInput,
        into result: Activations, _ thread: Int
    ) {
        guard !run.isEmpty else { return }
        guard !matrix.kind.isFloat, let values = rows.quantised else {
            for panel in run {
                multiplyFloats(layer, matrix, panel, rows, into: result, thread)
            }
            return
        }
        let superblocks = matrix.superblocks
        let expansion = expansion(matrix, values)
        let expandedBytes = superblocks * (expansion?.superblockBytes ?? 0)
        let memory = scratch.floats(
            PanelTarget.edgeCount + run.count * expandedBytes / 4, thread: thread)
        var panels = matrix.panel(run.lowerBound)
        if let expansion {
            let expanded = UnsafeMutableRawPointer(memory + PanelTarget.edgeCount)
            for (place, panel) in run.enumerated() {
                expansion.expand(
                    matrix.panel(panel), superblocks, expanded + place * expandedBytes)
            }
            panels = UnsafeRawPointer(expanded)
        }
        let product = expansion?.product ?? kernels.panels.product(matrix.kind, values.scaling)
        PanelTarget(
            result, matrix.outputs(ofPanels: run), bias: layer.bias, edge: memory, kernels.add
        ).store(values.tiles) { tile, range, out, stride in
            product(range.count, panels, run.count, superblocks, values.tile(tile), out, stride)
        }
    }

    /// All rows by one panel of floats.
    private func multiplyFloats(
        _ layer: LinearLayer, _ matrix: PackedMatrix, _ index: Int, _ rows: PackedInput,
        into result: Activations, _ thread: Int
    ) {
        let (panel, inputs) = (matrix.panel(index), matrix.inputs)
        let target = PanelTarget(
            result, matrix.outputs(ofPanels: index..<(index + 1)), bias: layer.bias,
            edge: scratch.floats(PanelTarget.edgeCount, thread: thread), kernels.add)
        if layer.roundsInputs, let values = rows.brainFloats {
            let product = kernels.floatPanels.brainFloatProduct
            target.store(rows.floatTiles) { _, range, out, stride in
                product(
                    range.count, values.row(range.lowerBound), values.stride, panel, inputs, out,
                    stride)
            }
        } else {
            let product = kernels.floatPanels.product(matrix.kind)
            target.store(rows.floatTiles) { _, range, out, stride in
                product(
                    range.count, rows.floats.row(range.lowerBound), rows.floats.width, panel,
                    inputs, out, stride)
            }
        }
    }
}
