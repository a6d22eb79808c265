// SPDX-License-Identifier: Apache-2.0
import KernelInterface

/// The products of packed layers with one input, cut into chunks of panels that threads take.
struct PackedProducts<Layers: Collection<LinearLayer>, Results: Collection<Activations>> {
    private let layers: Layers
    private let rows: PackedInput
    private let results: Results
    private let end: ProductEnd
    private let ops: TensorOps
    /// Multiplications that a chunk should have.
    private let share: Int
    /// The least number of chunks.
    private let fewestChunks: Int
    /// Chunks but for the last ones, which are cut into pieces.
    private var wholeChunks = 0
    private var cutChunks = 0
    private var pieces = 1

    /// Multiplications of a chunk.
    ///
    /// The least take a hundred times as long as handing the chunk out. The most take a core some
    /// 50 µs for one row, which reads memory in long runs.
    private static var multiplicationsPerChunk: ClosedRange<Int> { (1 << 17)...(1 << 21) }
    /// Chunks of each thread where there is enough to do, so that a slow chunk delays the end
    /// little.
    private static var chunksPerThread: Int { 4 }
    /// Bytes of panels that several tiles of rows are multiplied by in turn: half of a second-level
    /// cache of 1 MB, so that the rows come from the third level once for all of these panels.
    private static var panelBytesPerChunk: Int { 1 << 19 }
    /// Most pieces of a cut chunk.
    ///
    /// Threads begin their last chunks at different times, up to a chunk apart, and who has none left waits. A
    /// chunk of 512 rows takes 2 ms of a product of 25.
    private static var mostPieces: Int { 8 }

    init(
        _ layers: Layers, _ rows: PackedInput, into results: Results, _ end: ProductEnd,
        _ ops: TensorOps
    ) {
        self.layers = layers
        self.rows = rows
        self.results = results
        self.end = end
        self.ops = ops
        let threads = ops.pool.threadCount
        fewestChunks = Self.chunksPerThread * threads
        var multiplications = 0
        for layer in layers {
            guard let matrix = layer.packed else { continue }
            multiplications += matrix.outputs * matrix.inputs * rows.floats.rows
        }
        let limits = Self.multiplicationsPerChunk
        share = min(max(multiplications / fewestChunks, limits.lowerBound), limits.upperBound)
        for layer in layers {
            guard let matrix = layer.packed else { continue }
            let count = chunkCount(matrix)
            wholeChunks += count
            guard threads > 1 else { continue }
            // Those of the last matrix count.
            cutChunks = min(threads, count)
            let perChunk = matrix.outputs * matrix.inputs * rows.floats.rows / count
            pieces = min(max(perChunk / limits.lowerBound, 1), Self.mostPieces)
        }
        wholeChunks -= cutChunks
    }

    /// Chunks and pieces of all layers.
    var chunkCount: Int { wholeChunks + cutChunks * pieces }

    /// Computes one chunk or piece.
    func multiply(chunk index: Int, thread: Int) {
        let isWhole = index < wholeChunks
        let (cut, piece) = (index - wholeChunks).quotientAndRemainder(dividingBy: pieces)
        var chunk = isWhole ? index : wholeChunks + cut
        for (layer, result) in zip(layers, results) {
            guard let matrix = layer.packed else { continue }
            let count = chunkCount(matrix)
            guard chunk >= count else {
                var panels = Self.part(chunk, of: count, of: 0..<matrix.panelCount)
                var tiles = 0..<rowTiles(matrix).count
                if !isWhole {
                    // Many tiles are read from the third-level cache, so all panels go with a part of them.
                    if tiles.count >= 2 * Self.mostPieces {
                        tiles = Self.part(piece, of: pieces, of: tiles)
                    } else {
                        panels = Self.part(piece, of: pieces, of: panels)
                    }
                }
                // The last panel is stored apart if it is not full.
                let full = panels.clamped(to: 0..<matrix.fullPanelCount)
                multiply(layer, matrix, full, tiles, into: result, thread)
                multiply(
                    layer, matrix, full.upperBound..<panels.upperBound, tiles, into: result, thread)
                return
            }
            chunk -= count
        }
    }

    /// One of `count` parts of a range, which differ by at most one.
    private static func part(_ index: Int, of count: Int, of range: Range<Int>) -> Range<Int> {
        let bounds = (index * range.count / count, (index + 1) * range.count / count)
        return (range.lowerBound + bounds.0)..<(range.lowerBound + bounds.1)
    }

    /// The rows in tiles as the kernel for a matrix takes them.
    private func rowTiles(_ matrix: PackedMatrix) -> RowTiles {
        quantisedRows(matrix)?.tiles ?? rows.floatTiles
    }

    /// Chunks of a matrix, equally many for each thread.
    ///
    /// They differ by at most one panel, so no thread waits long for the last chunk.
    private func chunkCount(_ matrix: PackedMatrix) -> Int {
        let panels = mostPanelsPerChunk(matrix)
        let (count, threads) = (
            (matrix.panelCount + panels - 1) / panels, ops.pool.threadCount
        )
        return min((count + threads - 1) / threads * threads, matrix.panelCount)
    }

    private func mostPanelsPerChunk(_ matrix: PackedMatrix) -> Int {
        let byWork = share / (PanelKind.columns * matrix.inputs * rows.floats.rows)
        guard let values = quantisedRows(matrix), values.tiles.count > 1 else {
            return max(1, byWork)
        }
        let superblockBytes =
            expansion(matrix, values)?.superblockBytes ?? matrix.kind.superblockBytes
        let byCache = min(
            Self.panelBytesPerChunk / (matrix.superblocks * superblockBytes),
            matrix.panelCount / fewestChunks)
        return max(1, byWork, byCache)
    }

    /// The rows in bytes, for a quantised matrix; nil for a matrix of floats.
    private func quantisedRows(_ matrix: PackedMatrix) -> QuantisedRows? {
        matrix.kind.isFloat ? nil : rows.quantised
    }

    /// How a matrix's panels are unpacked for that many rows, or nil if they are not.
    private func expansion(
        _ matrix: PackedMatrix, _ rows: QuantisedRows
    ) -> PanelKernels.Expansion? {
        ops.kernels.panels.expansion(matrix.kind, rows.scaling, tiles: rows.tiles.count)
    }

    /// Multiplies some tiles of rows by consecutive full panels, or by one panel.
    private func multiply(
        _ layer: LinearLayer, _ matrix: PackedMatrix, _ run: Range<Int>, _ tiles: Range<Int>,
        into result: Activations, _ thread: Int
    ) {
        guard !run.isEmpty else { return }
        guard let values = quantisedRows(matrix) else {
            for panel in run { multiplyFloats(layer, matrix, panel, tiles, into: result, thread) }
            return
        }
        let (panels, superblocks) = (matrix.panel(run.lowerBound), matrix.superblocks)
        let expansion = expansion(matrix, values)
        let expandedBytes = superblocks * (expansion?.superblockBytes ?? 0)
        let tileCount = PanelTarget.tileCount(panels: run.count)
        let memory = ops.scratch.floats(tileCount + run.count * expandedBytes / 4, thread: thread)
        let target = PanelTarget(
            result, matrix.outputs(ofPanels: run), of: layer, end, tile: memory,
            ops.kernels.add)
        if let expansion {
            let expanded = UnsafeMutableRawPointer(memory + tileCount)
            for (place, panel) in run.enumerated() {
                expansion.expand(
                    matrix.panel(panel), superblocks, expanded + place * expandedBytes)
            }
            target.store(tiles, of: values.tiles) { tile, range, out, stride in
                expansion.product(
                    range.count, expanded, run.count, superblocks, values.tile(tile), out, stride)
            }
        } else {
            let product = ops.kernels.panels.product(matrix.kind, values.scaling)
            target.store(tiles, of: values.tiles) { tile, range, out, stride in
                product(range.count, panels, run.count, superblocks, values.tile(tile), out, stride)
            }
        }
    }

    /// Multiplies some tiles of rows by one panel of floats.
    private func multiplyFloats(
        _ layer: LinearLayer, _ matrix: PackedMatrix, _ index: Int, _ tiles: Range<Int>,
        into result: Activations, _ thread: Int
    ) {
        let (panel, inputs) = (matrix.panel(index), matrix.inputs)
        let target = PanelTarget(
            result, matrix.outputs(ofPanels: index..<(index + 1)), of: layer, end,
            tile: ops.scratch.floats(PanelTarget.tileCount(panels: 1), thread: thread),
            ops.kernels.add)
        if layer.roundsInputs, let values = rows.brainFloats {
            let product = ops.kernels.floatPanels.brainFloatProduct
            target.store(tiles, of: rows.floatTiles) { _, range, out, stride in
                product(
                    range.count, values.row(range.lowerBound), values.stride, panel, inputs, out,
                    stride)
            }
        } else {
            let product = ops.kernels.floatPanels.product(matrix.kind)
            target.store(tiles, of: rows.floatTiles) { _, range, out, stride in
                product(
                    range.count, rows.floats.row(range.lowerBound), rows.floats.width, panel,
                    inputs, out, stride)
            }
        }
    }
}
