// SPDX-License-Identifier: Apache-2.0

/// The tiles, the grid and the visual tokens of a picture of some size.
///
/// The visual tokens are, in this order: the patches of the base tile, row by row; then, for
/// `TileLayout.anyres`, the rows of the grid's patches that are kept, each followed by one newline.
public struct TileGeometry: Sendable, Equatable {
    /// The number of tiles, including the base tile.
    public let tileCount: Int
    /// Patches along a side of a tile.
    public let patchesPerSide: Int
    /// Columns of tiles in the grid, 0 without a grid.
    public let gridColumns: Int
    /// Rows of tiles in the grid, 0 without a grid.
    public let gridRows: Int
    /// The rows of the joined patch grid that show the picture rather than padding.
    public let keptRows: Range<Int>
    /// The columns of the joined patch grid that show the picture rather than padding.
    public let keptColumns: Range<Int>

    /// The number of visual tokens: base patches, kept grid patches, and a newline for each kept row.
    public var visualTokenCount: Int {
        patchesPerSide * patchesPerSide + keptRows.count * (keptColumns.count + 1)
    }

    /// The geometry of one base tile alone.
    static func single(patchesPerSide: Int) -> TileGeometry {
        TileGeometry(
            tileCount: 1, patchesPerSide: patchesPerSide, gridColumns: 0, gridRows: 0,
            keptRows: 0..<0, keptColumns: 0..<0)
    }

    /// The geometry of a base tile and a grid without the padding around the picture.
    static func grid(
        columns: Int, rows: Int, patchesPerSide: Int, picture: PixelSize
    ) -> TileGeometry {
        let joined = PixelSize(width: columns * patchesPerSide, height: rows * patchesPerSide)
        let kept = AnyresRule.unpadded(joined, picture: picture)
        return TileGeometry(
            tileCount: 1 + columns * rows, patchesPerSide: patchesPerSide, gridColumns: columns,
            gridRows: rows, keptRows: kept.rows, keptColumns: kept.columns)
    }
}
