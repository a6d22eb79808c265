// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// A grid of cells that is interpolated from a larger one, as LLaVA-OneVision limits the cells of a picture
/// (`anyres_max_9`, arXiv 2408.03326).
///
/// The interpolation is PyTorch's bilinear one between centres of cells, without widening when it shrinks.
struct ShrunkGrid: Sendable, Equatable {
    /// Cells from left to right.
    let columns: Int
    /// Cells from top to bottom.
    let rows: Int
    /// The larger grid, row by row: places among the encoded cells.
    let sources: [Int]  // [sourceRows, sourceColumns]
    /// Columns of the larger grid.
    let sourceColumns: Int

    /// Rows of the larger grid.
    var sourceRows: Int { sources.count / sourceColumns }

    /// A neighbour on each side of a place of the larger grid.
    private struct Neighbours {
        let first: Int
        let second: Int
        /// The part of the second.
        let share: Float
    }

    private static func neighbours(_ count: Int, of sourceCount: Int) -> [Neighbours] {
        let scale = Float(sourceCount) / Float(count)
        return (0..<count).map { place in
            let source = max(0, scale * (Float(place) + 0.5) - 0.5)
            let first = min(Int(source), sourceCount - 1)
            return Neighbours(
                first: first, second: min(first + 1, sourceCount - 1),
                share: source - Float(first))
        }
    }

    /// Writes the cells of this grid.
    ///
    /// - Parameters:
    ///   - cells: those of the larger grid, among others.
    ///   - first: the row of the grid's first cell.
    fileprivate func write(_ cells: Activations, to result: Activations, from first: Int) {
        var next = first
        forEachCell { corners, weights in
            let out = result.row(next)
            let (a, b, c, d) = (
                cells.row(corners[0]), cells.row(corners[1]), cells.row(corners[2]),
                cells.row(corners[3])
            )
            for index in 0..<cells.width {
                let upper = weights.left * a[index] + weights.right * b[index]
                let lower = weights.left * c[index] + weights.right * d[index]
                out[index] = weights.top * upper + weights.bottom * lower
            }
            next += 1
        }
    }

    private struct Weights {
        let left: Float
        let right: Float
        let top: Float
        let bottom: Float
    }

    private func forEachCell(_ body: (_ corners: [Int], Weights) -> Void) {
        let horizontal = Self.neighbours(columns, of: sourceColumns)
        for row in Self.neighbours(rows, of: sourceRows) {
            for column in horizontal {
                let corners = [row.first, row.second].flatMap { line in
                    [column.first, column.second].map { sources[line * sourceColumns + $0] }
                }
                body(
                    corners,
                    Weights(
                        left: 1 - column.share, right: column.share, top: 1 - row.share,
                        bottom: row.share))
            }
        }
    }
}

extension PicturePlan {
    /// What rows are taken from: the cells of whole tiles as they are, then those of shrunk grids.
    ///
    /// - Parameter cells: those of all tiles, `[encodedCellCount, width]`.
    func shrunk(_ cells: Activations) -> Activations {
        guard !shrunkGrids.isEmpty else { return cells }
        let result = Activations(rows: cellCount, width: cells.width)
        var next = tiles[..<wholeTiles].reduce(0) { $0 + $1.cellCount }
        result.values.update(from: cells.values, count: next * cells.width)
        for grid in shrunkGrids {
            grid.write(cells, to: result, from: next)
            next += grid.columns * grid.rows
        }
        return result
    }
}
