// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// Joins each square block of a tile's patches into one cell, the pixel shuffle of Idefics3 (arXiv 2408.12637).
struct PatchMerging: Sendable, Equatable {
    /// Patches along a side of a block; 1 leaves every patch a cell of its own.
    let side: Int
    /// Patches along a side of a tile, a multiple of `side`.
    let patchesPerSide: Int

    /// Cells along a side of a tile.
    var cellsPerSide: Int { patchesPerSide / side }
    /// Patches of a cell.
    var patchesPerCell: Int { side * side }

    /// The patches of each cell, block by block, in the order in which the cell has them.
    private var patches: [Int] {
        (0..<cellsPerSide * cellsPerSide).flatMap { cell in
            let (row, column) = cell.quotientAndRemainder(dividingBy: cellsPerSide)
            return (0..<patchesPerCell).map { place in
                let (down, across) = place.quotientAndRemainder(dividingBy: side)
                return (row * side + down) * patchesPerSide + column * side + across
            }
        }
    }

    /// `[patches, width]` → `[cells, side · side · width]`, row by row within a block.
    func merged(_ features: Activations, _ ops: TensorOps) -> Activations {
        guard side > 1 else { return features }
        let width = features.width
        let cells = ops.activations(
            rows: features.rows / patchesPerCell, width: patchesPerCell * width)
        for (place, patch) in patches.enumerated() {
            (cells.values + place * width).update(from: features.row(patch), count: width)
        }
        return cells
    }

    /// The mean over the patches of each cell.
    func means(_ values: [Float]) -> [Float] {
        guard side > 1 else { return values }
        let patches = patches
        return stride(from: 0, to: patches.count, by: patchesPerCell).map { first in
            patches[first..<first + patchesPerCell].reduce(0) { $0 + values[$1] }
                / Float(patchesPerCell)
        }
    }
}
