// SPDX-License-Identifier: Apache-2.0
import Kernels

extension ActivationMode {
    /// How activations are rounded; nil where they are not.
    var scaling: ActivationScaling? {
        switch self {
        case .float: nil
        case .per32: .perBlock
        case .pow2: .powerOfTwo
        }
    }
}

/// Rows of activations rounded to bytes, in tiles that kernels read.
struct QuantisedRows {
    let scaling: ActivationScaling
    let width: Int
    let rowCount: Int
    let tileCount: Int
    let buffer: ReusedBuffer
    let tileBytes: Int

    func rows(ofTile index: Int) -> Range<Int> {
        (index * rowCount / tileCount)..<((index + 1) * rowCount / tileCount)
    }

    func tile(_ index: Int) -> UnsafeMutableRawPointer { buffer.start + index * tileBytes }
}

extension TensorOps {
    /// Work on one index of a job: more than a hundred times what handing it out costs.
    private static let multiplicationsPerChunk = 1 << 19

    /// Rounds rows to bytes, in tiles as equal as the rows allow.
    func quantised(_ input: Activations, _ scaling: ActivationScaling) -> QuantisedRows {
        let most = kernels.panels.rowsPerTile
        let tiles = (input.rows + most - 1) / most
        // 64 bytes: tiles start on cache lines of their own.
        let tileBytes = (ActivationTile.byteCount(rows: most, width: input.width) + 63) / 64 * 64
        let rows = QuantisedRows(
            scaling: scaling, width: input.width, rowCount: input.rows, tileCount: tiles,
            buffer: buffers.take(tiles * tileBytes), tileBytes: tileBytes)
        let quantise = kernels.panels.quantise(scaling)
        pool.forEach(tiles) { tile, _ in
            let range = rows.rows(ofTile: tile)
            quantise(
                input.row(range.lowerBound), input.width, range.count, input.width, rows.tile(tile))
        }
        return rows
    }

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
        let rows = quantised(input, scaling)
        defer { buffers.giveBack(rows.buffer) }
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
                        multiply(matrix, panel, layer.bias, rows, into: result, thread)
                    }
                    return
                }
                chunk -= chunkCount(matrix)
            }
        }
    }

    /// All rows by one panel.
    private func multiply(
        _ matrix: PackedMatrix, _ index: Int, _ bias: [Float]?, _ rows: QuantisedRows,
        into result: Activations, _ thread: Int
    ) {
        let outputs = matrix.outputs(ofPanel: index)
        let product = kernels.panels.product(matrix.kind, rows.scaling)
        // A panel that is not full writes all its columns beside the result.
        let isFull = outputs.count == PanelKind.columns
        let edge = isFull ? nil : scratch.floats(PanelKind.columns * 8, thread: thread)
        for tile in 0..<rows.tileCount {
            let range = rows.rows(ofTile: tile)
            let target = result.row(range.lowerBound) + outputs.lowerBound
            product(
                range.count, matrix.panel(index), matrix.superblocks, rows.tile(tile),
                edge ?? target, isFull ? result.width : PanelKind.columns)
            for row in 0..<range.count {
                let values = target + row * result.width
                if let edge {
                    values.update(from: edge + row * PanelKind.columns, count: outputs.count)
                }
                if let bias {
                    for column in 0..<outputs.count {
                        values[column] += bias[outputs.lowerBound + column]
                    }
                }
            }
        }
    }
}
