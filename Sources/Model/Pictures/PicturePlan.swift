// SPDX-License-Identifier: Apache-2.0
import Imaging
import TensorOps

/// The rows that stand for a picture in a prompt, in the order in which the decoder reads them.
///
/// One tile: its patches. Anyres (LLaVA-NeXT): the base tile's patches, then the grid's tiles joined
/// into one picture, its padding cut off, a newline row after each row of patches.
public struct VisualTokenLayout: Sendable, Equatable {
    /// What a row is.
    public enum Row: Sendable, Equatable {
        /// The patch at this row of the projected tiles `[tiles · patches, width]`.
        case patch(Int)
        /// The end of a row of patches in the grid.
        case newline
    }

    /// All rows.
    public let rows: [Row]
    /// The places of the patches among the rows: the candidates of selection.
    public let candidates: [Int]
    /// The patches of each row of the grid; its newline follows them.
    private let gridRows: [Range<Int>]

    /// The layout of a picture; it has newlines only if the model does.
    init(_ geometry: TileGeometry, hasNewlines: Bool) {
        let perSide = geometry.patchesPerSide
        let perTile = perSide * perSide
        var rows = (0..<perTile).map { Row.patch($0) }
        var gridRows: [Range<Int>] = []
        for row in geometry.keptRows where hasNewlines {
            let start = rows.count
            for column in geometry.keptColumns {
                let tile = 1 + row / perSide * geometry.gridColumns + column / perSide
                rows.append(.patch(tile * perTile + row % perSide * perSide + column % perSide))
            }
            gridRows.append(start..<rows.count)
            rows.append(.newline)
        }
        self.rows = rows
        self.gridRows = gridRows
        candidates = rows.indices.filter { rows[$0] != .newline }
    }

    /// The rows that stay when only some candidates are kept: their own, and the newlines of grid
    /// rows that keep a patch.
    ///
    /// - Parameter kept: indices into `candidates`.
    /// - Returns: ascending indices into `rows`.
    public func rows(keeping kept: [Int]) -> [Int] {
        let patches = kept.map { candidates[$0] }
        let newlines = gridRows.filter { row in patches.contains(where: row.contains) }
        return (patches + newlines.map(\.upperBound)).sorted()
    }
}

/// Puts projected patches and newlines in the given order.
///
/// - Parameters:
///   - projected: `[tiles · patches, width]`, the base tile first.
///   - newline: the row for newlines; only anyres models have one.
func packVisualTokens(
    _ projected: Activations, _ rows: some Collection<VisualTokenLayout.Row>, newline: [Float]?
) -> Activations {
    let packed = Activations(rows: rows.count, width: projected.width)
    for (index, row) in rows.enumerated() {
        switch row {
        case .patch(let patch):
            packed.row(index).update(from: projected.row(patch), count: packed.width)
        case .newline:
            guard let newline else { preconditionFailure("a newline without a row for it") }
            packed.row(index).update(from: newline, count: packed.width)
        }
    }
    return packed
}
