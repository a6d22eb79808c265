// SPDX-License-Identifier: Apache-2.0
import KernelInterface
import WorkerPool

/// Bytes of panels that several tiles of rows are multiplied by in turn: half of a second-level cache, so that the
/// rows come from the third level once for all of these panels.
private let panelBytesPerChunk =
    min(max((PhysicalCores.secondLevelCacheBytes ?? 0) / 2, 1 << 19), 1 << 20)

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
    /// Bytes of tiles beyond which they are multiplied in groups.
    ///
    /// Virtual machines share a third-level cache. On Zen 4, tiles of 10 MB come from memory at each chunk, and
    /// two threads multiply at 66 to 72 % of the int8 peak. Groups that stay in the second level reach 78 %.
    private static var mostUngroupedTileBytes: Int { 3 << 20 }
    /// Bytes of the tiles of a group, and of the panels that they are multiplied by in turn; both fit a second-level
    /// cache of 1 MB.
    private static var bytesPerGroup: (tiles: Int, panels: Int) { (384 << 10, 300 << 10) }
    /// Most panels of a chunk of grouped tiles.
    private static var mostPanelsOfGroup: Int { 16 }

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
            let count = division(matrix).chunks
            wholeChunks += count
            guard threads > 1 else { continue }
            // Those of the last matrix count.
            cutChunks = min(threads, count)
            let perChunk = matrix.outputs * matrix.inputs * rows.floats.rows / count
            pieces = min(max(perChunk / limits.lowerBound, 1), ProductDivision.mostPieces)
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
            let division = division(matrix)
            guard chunk >= division.chunks else {
                let (panels, tiles) =
                    isWhole
                    ? division.chunk(chunk)
                    : division.piece(piece, of: pieces, ofChunk: chunk)
                let perPass = division.panelsPerPass
                // The last panel is stored apart if it is not full.
                let full = panels.clamped(to: 0..<matrix.fullPanelCount)
                for first in stride(from: full.lowerBound, to: full.upperBound, by: perPass) {
                    let pass = first..<min(first + perPass, full.upperBound)
                    multiply(layer, matrix, pass, tiles, into: result, thread)
                }
                multiply(
                    layer, matrix, full.upperBound..<panels.upperBound, tiles, into: result, thread)
                return
            }
            chunk -= division.chunks
        }
    }

    /// How the products of a matrix are divided.
    private func division(_ matrix: PackedMatrix) -> ProductDivision {
        guard let values = quantisedRows(matrix) else {
            return ungrouped(matrix, tiles: rows.floatTiles.count)
        }
        // Unpacking panels again for each group would cost more.
        let tileBytes = values.tiles.count * values.tileBytes
        guard tileBytes > Self.mostUngroupedTileBytes, expansion(matrix, values) == nil else {
            return ungrouped(matrix, tiles: values.tiles.count)
        }
        let size = Self.bytesPerGroup
        let perRun = max(1, min(Self.mostPanelsOfGroup, matrix.panelCount / fewestChunks))
        return ProductDivision(
            panels: matrix.panelCount, tiles: values.tiles.count,
            runs: (matrix.panelCount + perRun - 1) / perRun,
            groups: min(values.tiles.count, (tileBytes + size.tiles - 1) / size.tiles),
            panelsPerPass: max(1, size.panels / (matrix.superblocks * matrix.kind.superblockBytes)))
    }

    /// Runs of panels times all rows, equally many for each thread.
    ///
    /// They differ by at most one panel, so no thread waits long for the last chunk.
    private func ungrouped(_ matrix: PackedMatrix, tiles: Int) -> ProductDivision {
        let panels = mostPanelsPerChunk(matrix)
        let (count, threads) = (
            (matrix.panelCount + panels - 1) / panels, ops.pool.threadCount
        )
        return ProductDivision(
            panels: matrix.panelCount, tiles: tiles,
            runs: min((count + threads - 1) / threads * threads, matrix.panelCount), groups: 1,
            panelsPerPass: matrix.panelCount)
    }

    private func mostPanelsPerChunk(_ matrix: PackedMatrix) -> Int {
        let byWork = share / (PanelKind.columns * matrix.inputs * rows.floats.rows)
        guard let values = quantisedRows(matrix), values.tiles.count > 1 else {
            return max(1, byWork)
        }
        let superblockBytes =
            expansion(matrix, values)?.superblockBytes ?? matrix.kind.superblockBytes
        let byCache = min(
            panelBytesPerChunk / (matrix.superblocks * superblockBytes),
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
