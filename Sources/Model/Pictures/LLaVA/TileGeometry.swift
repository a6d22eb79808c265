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
    /// The most tiles whose patches the grid may have; nil for any number.
    var mostGridTiles: Int?
    /// Whether a newline follows the base tile.
    var endsBaseTile = false

    /// What becomes of the picture in a prompt: the patches of the base tile, row by row; then, for
    /// `TileLayout.anyres`, the rows of the grid's patches that are kept, each followed by a newline.
    var plan: PicturePlan {
        let tile = PicturePlan.Tile(columns: patchesPerSide, rows: patchesPerSide)
        let shrunk = shrunkGrid
        let tiles = Array(repeating: tile, count: tileCount)
        var plan =
            shrunk.map { PicturePlan(tiles: tiles, wholeTiles: 1, shrunkGrids: [$0]) }
            ?? PicturePlan(tiles: tiles)
        let base = (0..<tile.cellCount).map { PicturePlan.Row.cell(tile: 0, index: $0) }
        if endsBaseTile { plan.append(line: base) } else { plan.append(base) }
        if let shrunk {
            for row in 0..<shrunk.rows {
                let line = row * shrunk.columns..<(row + 1) * shrunk.columns
                plan.append(line: line.map { .cell(tile: 1, index: $0) })
            }
        } else {
            for row in keptRows {
                plan.append(
                    line: keptColumns.map { column in
                        let (tile, index) = place(row, column)
                        return .cell(tile: tile, index: index)
                    })
            }
        }
        return plan
    }

    /// The tile of a patch of the joined grid, and the patch's index in the tile.
    private func place(_ row: Int, _ column: Int) -> (tile: Int, index: Int) {
        (
            1 + row / patchesPerSide * gridColumns + column / patchesPerSide,
            row % patchesPerSide * patchesPerSide + column % patchesPerSide
        )
    }

    /// The grid in fewer cells, where it has more than `mostGridTiles` tiles have; a tenth more along each side is
    /// allowed (`pack_image_features` of transformers' `modeling_llava_onevision.py`).
    private var shrunkGrid: ShrunkGrid? {
        guard let mostGridTiles, gridColumns > 0 else { return nil }
        let (rows, columns) = (keptRows.count, keptColumns.count)
        let most = mostGridTiles * patchesPerSide * patchesPerSide
        let ratio = (Double(rows * columns) / Double(most)).squareRoot()
        guard ratio > 1.1 else { return nil }
        func shrunk(_ count: Int) -> Int { Int((Double(count) / ratio).rounded(.down)) }
        guard shrunk(rows) > 0, shrunk(columns) > 0 else { return nil }
        let cellsPerTile = patchesPerSide * patchesPerSide
        return ShrunkGrid(
            columns: shrunk(columns), rows: shrunk(rows),
            sources: keptRows.flatMap { row in
                keptColumns.map { column in
                    let (tile, index) = place(row, column)
                    return tile * cellsPerTile + index
                }
            }, sourceColumns: columns)
    }

    /// The cells of the grid from left to right and from top to bottom, in patches of the joined grid.
    var gridCells: (columns: [Range<Double>], rows: [Range<Double>]) {
        let shrunk = shrunkGrid
        func cells(_ kept: Range<Int>, _ count: Int?) -> [Range<Double>] {
            let count = count ?? kept.count
            let step = Double(kept.count) / Double(max(1, count))
            return (0..<count).map { place in
                let start = Double(kept.lowerBound) + step * Double(place)
                return start..<start + step
            }
        }
        return (cells(keptColumns, shrunk?.columns), cells(keptRows, shrunk?.rows))
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
        guard case .anyres(let pinpoints, let mostGridTiles) = layout else {
            var geometry = TileGeometry.single(patchesPerSide: patchesPerSide)
            geometry.endsBaseTile = [.paddedLine, .stretchedLine].contains(layout)
            return geometry
        }
        let best = AnyresRule.bestResolution(for: picture, among: pinpoints)
        var geometry = TileGeometry.grid(
            columns: best.width / tileSide, rows: best.height / tileSide,
            patchesPerSide: patchesPerSide, picture: picture)
        geometry.mostGridTiles = mostGridTiles
        return geometry
    }

    package func plan(_ picture: PixelSize) -> PicturePlan {
        geometry(of: picture).plan
    }

    /// Those of pictures that fill a grid.
    package var largestPlans: [PicturePlan] {
        guard case .anyres(let pinpoints, _) = layout else {
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
            case .padToSquare, .paddedLine: .padded(length, to: longer, tileSide: tileSide)
            case .centerCrop: .cropped(length, shorter: shorter, tileSide: tileSide)
            case .anyres, .stretchedLine: .centered(length, resized: tileSide, in: tileSide)
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
        /// The pixels of cells that are given in patches.
        func pixels(_ cells: [Range<Double>]) -> [Range<Int>] {
            func edge(_ place: Double, _ rounding: FloatingPointRoundingRule) -> Int {
                let (tile, inTile) = Int(place).quotientAndRemainder(
                    dividingBy: geometry.patchesPerSide)
                let part = (place - place.rounded(.down)) * Double(patchSide)
                return tile * tileSide + inTile * patchSide + Int(part.rounded(rounding))
            }
            return cells.map { edge($0.lowerBound, .down)..<edge($0.upperBound.nextDown, .up) }
        }
        let tile = pixels((0..<geometry.patchesPerSide).map { Double($0)..<Double($0 + 1) })
        let base = PatchGrid(
            placement: baseTilePlacement(on: picture), columns: tile, rows: tile)
        let joined = gridPlacement(on: picture).map { placement in
            let cells = geometry.gridCells
            return PatchGrid(
                placement: placement, columns: pixels(cells.columns), rows: pixels(cells.rows))
        }
        return PatchRegions(picture: picture, grids: [base] + (joined.map { [$0] } ?? []))
    }
}
