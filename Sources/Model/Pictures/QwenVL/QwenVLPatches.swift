// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// Patches of a picture in the order in which a tower has them: window by window, within it cell by cell, and within a
/// cell line by line.
struct QwenVLPatches: Sendable {
    /// The picture's cells from left to right.
    let columns: Int
    /// The picture's cells from top to bottom.
    let rows: Int
    /// The place of each cell among the picture's, counted line by line.
    let cells: [Int]
    /// The row and the column of each patch.
    let places: [(row: Int, column: Int)]  // [cells · patchesPerCell]
    /// The patches of each window.
    let windows: [Range<Int>]

    private let config: QwenVLConfig

    /// All patches of a grid of cells; without windows all are in one.
    init(columns: Int, rows: Int, _ config: QwenVLConfig) {
        let side = config.windowSide ?? max(columns, rows)
        var windows: [[Int]] = []
        for top in stride(from: 0, to: rows, by: side) {
            for left in stride(from: 0, to: columns, by: side) {
                windows.append(
                    (top..<min(top + side, rows)).flatMap { row in
                        (left..<min(left + side, columns)).map { row * columns + $0 }
                    })
            }
        }
        self.init(columns: columns, rows: rows, cellsOfWindows: windows, config)
    }

    private init(
        columns: Int, rows: Int, cellsOfWindows: [[Int]], _ config: QwenVLConfig
    ) {
        (self.columns, self.rows, self.config) = (columns, rows, config)
        cells = cellsOfWindows.flatMap { $0 }
        var (windows, patches) = ([Range<Int>](), 0)
        for cells in cellsOfWindows where !cells.isEmpty {
            let end = patches + cells.count * config.patchesPerCell
            windows.append(patches..<end)
            patches = end
        }
        self.windows = windows
        places = cells.flatMap { cell in
            (0..<config.patchesPerCell).map { patch in
                (
                    row: cell / columns * config.mergedSide + patch / config.mergedSide,
                    column: cell % columns * config.mergedSide + patch % config.mergedSide
                )
            }
        }
    }

    /// The patches of some cells, in the same windows.
    ///
    /// - Returns: them, and which of these patches they are.
    func keeping(cells kept: Set<Int>) -> (patches: QwenVLPatches, indices: [Int]) {
        let count = config.patchesPerCell
        let ofWindows = windows.map { window in
            cells[window.lowerBound / count..<window.upperBound / count].filter(kept.contains)
        }
        let indices = cells.indices.filter { kept.contains(cells[$0]) }.flatMap { place in
            place * count..<(place + 1) * count
        }
        let patches = QwenVLPatches(
            columns: columns, rows: rows, cellsOfWindows: ofWindows, config)
        return (patches, indices)
    }

    /// Chooses which cells the tower sees; these patches are all of the picture's.
    ///
    /// - Parameter embeddings: the patches without their positions: `[patches, width]`.
    func representatives(
        _ embeddings: Activations, share: Double, _ ops: TensorOps
    ) -> RepresentativePatches {
        let width = config.patchesPerCell * embeddings.width
        let inPicture = ops.activations(rows: cells.count, width: width)
        for (place, cell) in cells.enumerated() {
            inPicture.row(cell).update(
                from: embeddings.row(place * config.patchesPerCell), count: width)
        }
        return RepresentativePatches(of: inPicture, columns: columns, share: share, ops)
    }
}
