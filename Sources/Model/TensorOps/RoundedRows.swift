// SPDX-License-Identifier: Apache-2.0
import KernelInterface

extension ActivationMode {
    /// How activations are rounded, or nil if they are not.
    var scaling: ActivationScaling? {
        switch self {
        case .float: nil
        case .per32: .perBlock
        case .pow2: .powerOfTwo
        }
    }
}

/// Rows cut into tiles of nearly equal size.
struct RowTiles {
    private let rows: Int
    let count: Int

    /// - Parameter most: the largest allowed number of rows in a tile.
    init(rows: Int, most: Int) {
        self.rows = rows
        count = (rows + most - 1) / most
    }

    subscript(tile: Int) -> Range<Int> { (tile * rows / count)..<((tile + 1) * rows / count) }
}

/// Rows of activations rounded to bytes, in tiles that kernels read.
struct QuantisedRows {
    let scaling: ActivationScaling
    let tiles: RowTiles
    let buffer: ReusedBuffer
    let tileBytes: Int

    func tile(_ index: Int) -> UnsafeMutableRawPointer { buffer.start + index * tileBytes }
}

/// Rows of activations rounded to bf16, each padded with a zero to an even length.
struct BrainFloatRows {
    let buffer: ReusedBuffer
    let stride: Int

    func row(_ index: Int) -> UnsafeMutablePointer<UInt16> {
        buffer.start.assumingMemoryBound(to: UInt16.self) + index * stride
    }
}

extension TensorOps {
    /// Rounds rows to bytes.
    func quantised(_ input: Activations, _ scaling: ActivationScaling) -> QuantisedRows {
        let most = kernels.panels.rowsPerTile
        let tiles = RowTiles(rows: input.rows, most: most)
        // 64 bytes: tiles start on cache lines of their own.
        let tileBytes = (ActivationTile.byteCount(rows: most, width: input.width) + 63) / 64 * 64
        let rows = QuantisedRows(
            scaling: scaling, tiles: tiles, buffer: buffers.take(tiles.count * tileBytes),
            tileBytes: tileBytes)
        let quantise = kernels.panels.quantise(scaling)
        pool.forEach(tiles.count) { tile, _ in
            let range = tiles[tile]
            quantise(
                input.row(range.lowerBound), input.width, range.count, input.width, rows.tile(tile))
        }
        return rows
    }

    /// Rounds rows to bf16.
    func brainFloats(_ input: Activations) -> BrainFloatRows {
        let stride = (input.width + 1) / 2 * 2
        let size = MemoryLayout<UInt16>.stride
        let rows = BrainFloatRows(buffer: buffers.take(input.rows * stride * size), stride: stride)
        forEachRow(of: input) { row, index in
            rows.row(index)[stride - 1] = 0
            kernels.floatPanels.brainFloatsFromFloats(row, rows.row(index), input.width)
        }
        return rows
    }
}
