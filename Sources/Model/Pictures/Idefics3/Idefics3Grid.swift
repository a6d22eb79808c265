// SPDX-License-Identifier: Apache-2.0

/// The tokens that stand around the tiles of a picture.
package struct Idefics3Markers: Sendable, Equatable {
    /// Before every tile, and after the last one.
    let around: Int32
    /// After `around`, for the tile in each row and column.
    let places: [[Int32]]  // [rows, columns]
    /// After `around`, for the whole picture.
    let whole: Int32
    /// After each row of tiles but the last.
    let lineEnd: [Int32]
    /// Between the last row of tiles and the whole picture: two line breaks, which some vocabularies have as one token.
    let lastLineEnd: [Int32]

    package init(
        around: Int32, places: [[Int32]], whole: Int32, lineEnd: [Int32], lastLineEnd: [Int32]
    ) {
        (self.around, self.places, self.whole) = (around, places, whole)
        (self.lineEnd, self.lastLineEnd) = (lineEnd, lastLineEnd)
    }
}

/// The tiles of a picture in rows and columns.
///
/// The whole picture is one more, unless it is the only one.
struct Idefics3Grid: Sendable, Equatable {
    let columns: Int
    let rows: Int

    /// Whether there are tiles besides the whole picture.
    var isSplit: Bool { columns * rows > 1 }
    /// All tiles, the whole picture included.
    var tileCount: Int { isSplit ? columns * rows + 1 : 1 }

    /// What the picture becomes in a prompt: tile after tile in rows, and the whole picture at last.
    ///
    /// - Parameter cellsPerSide: cells along a side of a tile.
    func plan(cellsPerSide: Int, _ markers: Idefics3Markers) -> PicturePlan {
        let tile = PicturePlan.Tile(columns: cellsPerSide, rows: cellsPerSide)
        var plan = PicturePlan(tiles: Array(repeating: tile, count: tileCount))
        func append(tile index: Int, _ marker: Int32) {
            let first = plan.rows.count + 2
            plan.append(
                [.token(markers.around), .token(marker)],
                besideCellsIn: first..<first + tile.cellCount)
            plan.append((0..<tile.cellCount).map { .cell(tile: index, index: $0) })
        }
        for row in 0..<(isSplit ? rows : 0) {
            let first = plan.rows.count
            for column in 0..<columns {
                append(tile: row * columns + column, markers.places[row][column])
            }
            let isLast = row == rows - 1
            plan.append(
                (isLast ? markers.lastLineEnd : markers.lineEnd).map { .token($0) },
                besideCellsIn: (isLast ? 0 : first)..<plan.rows.count)
        }
        append(tile: tileCount - 1, markers.whole)
        plan.append([.token(markers.around)], besideCellsIn: 0..<plan.rows.count)
        return plan
    }
}
