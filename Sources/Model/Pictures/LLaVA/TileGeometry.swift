// SPDX-License-Identifier: Apache-2.0

import Imaging

/// The tiles of a picture of some size, and the grid that they make.
struct TileGeometry: Sendable, Equatable {
    /// The number of tiles, including the base tile.
    let tileCount: Int
    /// Patches along a side of a tile.
    let patchesPerSide: Int
    /// Columns of tiles in the grid, 0 without a grid.
    let gridColumns: Int
    /// Rows of tiles in the grid, 0 without a grid.
    let gridRows: Int
    /// The rows of the joined patch grid that show the picture rather than padding.
    let keptRows: Range<Int>
    /// The columns of the joined patch grid that show the picture rather than padding.
    let keptColumns: Range<Int>

    /// What becomes of the picture in a prompt: the patches of the base tile, row by row; then, for
    /// `TileLayout.anyres`, the rows of the grid's patches that are kept, each followed by a newline.
    var plan: PicturePlan {
        let tile = PicturePlan.Tile(columns: patchesPerSide, rows: patchesPerSide)
        var plan = PicturePlan(tiles: Array(repeating: tile, count: tileCount))
        plan.append((0..<tile.cellCount).map { .cell(tile: 0, index: $0) })
        for row in keptRows {
            let cells = keptColumns.map { column in
                PicturePlan.Row.cell(
                    tile: 1 + row / patchesPerSide * gridColumns + column / patchesPerSide,
                    index: row % patchesPerSide * patchesPerSide + column % patchesPerSide)
            }
            plan.append(line: cells)
        }
        return plan
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

extension LLaVATiles {
    /// The tiles of a picture of this size.
    ///
    /// - Precondition: both sides are positive.
    func geometry(of picture: PixelSize) -> TileGeometry {
        precondition(picture.width > 0 && picture.height > 0, "a picture has at least one pixel")
        let patchesPerSide = tileSide / patchSide
        guard case .anyres(let pinpoints) = layout else {
            return .single(patchesPerSide: patchesPerSide)
        }
        let best = AnyresRule.bestResolution(for: picture, among: pinpoints)
        return .grid(
            columns: best.width / tileSide, rows: best.height / tileSide,
            patchesPerSide: patchesPerSide, picture: picture)
    }

    package func plan(_ picture: PixelSize) -> PicturePlan {
        geometry(of: picture).plan
    }

    /// Those of pictures that fill a grid.
    package var largestPlans: [PicturePlan] {
        guard case .anyres(let pinpoints) = layout else {
            return [plan(PixelSize(width: tileSide, height: tileSide))]
        }
        return pinpoints.map(plan)
    }

    /// The placement of the base tile on a picture.
    func baseTilePlacement(on picture: PixelSize) -> TilePlacement {
        let shorter = min(picture.width, picture.height)
        let longer = max(picture.width, picture.height)
        func axis(_ length: Int) -> TileAxis {
            switch layout {
            case .padToSquare: .padded(length, to: longer, tileSide: tileSide)
            case .centerCrop: .cropped(length, shorter: shorter, tileSide: tileSide)
            case .anyres: .centered(length, resized: tileSide, in: tileSide)
            }
        }
        return TilePlacement(horizontal: axis(picture.width), vertical: axis(picture.height))
    }

    /// The placement of the joined grid on a picture; nil if the layout has no grid.
    func gridPlacement(on picture: PixelSize) -> TilePlacement? {
        let geometry = geometry(of: picture)
        guard geometry.gridColumns > 0 else { return nil }
        let grid = PixelSize(
            width: geometry.gridColumns * tileSide, height: geometry.gridRows * tileSide)
        let fitted = AnyresRule.fitted(picture, into: grid)
        return TilePlacement(
            horizontal: .centered(picture.width, resized: fitted.width, in: grid.width),
            vertical: .centered(picture.height, resized: fitted.height, in: grid.height))
    }

    package func regions(of picture: PixelSize) -> PatchRegions {
        let geometry = geometry(of: picture)
        func grid(_ placement: TilePlacement, columns: Range<Int>, rows: Range<Int>) -> PatchGrid {
            func start(of patch: Int) -> Int {
                let (tile, inTile) = patch.quotientAndRemainder(
                    dividingBy: geometry.patchesPerSide)
                return tile * tileSide + inTile * patchSide
            }
            return PatchGrid(
                placement: placement, patchSide: patchSide, columns: columns.map(start),
                rows: rows.map(start))
        }
        let tile = 0..<geometry.patchesPerSide
        let base = grid(baseTilePlacement(on: picture), columns: tile, rows: tile)
        let joined = gridPlacement(on: picture).map {
            grid($0, columns: geometry.keptColumns, rows: geometry.keptRows)
        }
        return PatchRegions(picture: picture, grids: [base] + (joined.map { [$0] } ?? []))
    }
}
