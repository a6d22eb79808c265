// SPDX-License-Identifier: Apache-2.0
import Imaging

/// How Idefics3 cuts pictures, as transformers' processor does (`image_processing_idefics3.py`): the longer side is
/// resized to a fixed length, both to whole tiles, and the whole picture follows as a tile of its own.
package struct Idefics3Tiles: PictureTiling {
    /// Pixels along a side of a tile.
    let tileSide: Int
    /// Cells along a side of a tile.
    let cellsPerSide: Int
    /// Tiles along the longer side of a picture.
    let tilesPerSide: Int
    /// The most tiles of a picture, the whole one included: those that would have more are made smaller.
    let mostTiles: Int
    /// Those of the grids with most tiles, squares by default.
    package let largestPlans: [PicturePlan]

    private let config: VisionConfig
    private let markers: Idefics3Markers
    private let normalisation: PixelNormalisation

    /// The processor's limit on both sides of a resized picture.
    private static let largestSide = 4096

    /// - Parameter mostTiles: nil for as many as `tilesPerSide` allows.
    package init(
        _ config: VisionConfig, cellsPerSide: Int, tilesPerSide: Int, mostTiles: Int? = nil,
        _ markers: Idefics3Markers
    ) {
        self.config = config
        tileSide = config.tileSide
        (self.cellsPerSide, self.tilesPerSide) = (cellsPerSide, tilesPerSide)
        self.mostTiles =
            mostTiles ?? Idefics3Grid(columns: tilesPerSide, rows: tilesPerSide).tileCount
        self.markers = markers
        normalisation = PixelNormalisation(mean: config.mean, deviation: config.deviation)
        let most = self.mostTiles
        let grids = (1...tilesPerSide).flatMap { columns in
            (1...tilesPerSide).map { Idefics3Grid(columns: columns, rows: $0) }
        }.filter { $0.tileCount <= most }
        let largest = grids.reduce(0) { max($0, $1.tileCount) }
        largestPlans = grids.filter { $0.tileCount == largest }.map {
            $0.plan(cellsPerSide: cellsPerSide, markers)
        }
    }

    /// The same rule for smaller or larger pictures.
    func with(tilesPerSide: Int) -> Idefics3Tiles {
        Idefics3Tiles(config, cellsPerSide: cellsPerSide, tilesPerSide: tilesPerSide, markers)
    }

    package var limit: PictureLimit? { mostTiles > 1 ? .tiles : nil }

    package func limited(to candidates: Int, for picture: PixelSize) -> LimitedTiling? {
        guard limit != nil else { return nil }
        let counts = Set(
            (1...tilesPerSide).map { cut(picture, tilesPerSide: $0).grid.tileCount }
        ).filter { $0 <= mostTiles }.sorted()
        func distance(_ tiles: Int) -> Int {
            abs(tiles * cellsPerSide * cellsPerSide - candidates)
        }
        return counts.min { distance($0) < distance($1) }.map { tiles in
            LimitedTiling(
                tiling: Idefics3Tiles(
                    config, cellsPerSide: cellsPerSide, tilesPerSide: tilesPerSide,
                    mostTiles: tiles, markers),
                limits: VisionLimits(mostTiles: tiles))
        }
    }

    package var description: String {
        "idefics3 \(tilesPerSide) \(mostTiles) \(tileSide) \(cellsPerSide)"
    }

    /// A picture's size after each of the two times that it is resized, and its tiles.
    struct Cut: Equatable {
        /// The longer side has its length.
        let scaled: PixelSize
        /// Both sides are multiples of the tile's.
        let stretched: PixelSize
        let grid: Idefics3Grid
    }

    /// How a picture is cut: with as many tiles along its longer side as the limit allows.
    ///
    /// Sizes are computed in double precision and in the processor's order of operations, because truncation makes
    /// every bit count.
    func cut(_ picture: PixelSize) -> Cut {
        for longest in stride(from: tilesPerSide, to: 1, by: -1) {
            let cut = cut(picture, tilesPerSide: longest)
            if cut.grid.tileCount <= mostTiles { return cut }
        }
        return cut(picture, tilesPerSide: 1)
    }

    private func cut(_ picture: PixelSize, tilesPerSide: Int) -> Cut {
        let scaled = picture.scaled(longerSide: tilesPerSide * tileSide, isEven: true)
            .bounded(by: Self.largestSide)
        let stretched = scaled.stretched(toTilesOf: tileSide)
        return Cut(
            scaled: scaled, stretched: stretched,
            grid: Idefics3Grid(
                columns: stretched.width / tileSide, rows: stretched.height / tileSide))
    }

    package func plan(_ picture: PixelSize) -> PicturePlan {
        cut(picture).grid.plan(cellsPerSide: cellsPerSide, markers)
    }

    package func regions(of picture: PixelSize) -> PatchRegions {
        let grid = cut(picture).grid
        let whole = cells(of: picture, columns: 1, rows: 1)
        guard grid.isSplit else { return PatchRegions(picture: picture, grids: [whole]) }
        let tiles = cells(of: picture, columns: grid.columns, rows: grid.rows)
        return PatchRegions(
            picture: picture, grids: [whole, tiles],
            cells: joinedCells(grid).map { whole.count + $0 } + Array(0..<whole.count))
    }

    /// Where the cells of each tile are among those of the joined tiles.
    private func joinedCells(_ grid: Idefics3Grid) -> [Int] {
        let side = cellsPerSide
        return (0..<grid.rows * grid.columns).flatMap { tile in
            (0..<side * side).map { cell in
                let row = tile / grid.columns * side + cell / side
                return row * grid.columns * side + tile % grid.columns * side + cell % side
            }
        }
    }

    /// Where the cells of joined tiles lie on a picture that is stretched to them.
    private func cells(of picture: PixelSize, columns: Int, rows: Int) -> PatchGrid {
        let side = tileSide / cellsPerSide
        func axis(_ length: Int, tiles: Int) -> TileAxis {
            .centered(length, resized: tiles * tileSide, in: tiles * tileSide)
        }
        func pixels(tiles: Int) -> [Range<Int>] {
            (0..<tiles * cellsPerSide).map { cell in
                let start = cell / cellsPerSide * tileSide + cell % cellsPerSide * side
                return start..<start + side
            }
        }
        return PatchGrid(
            placement: TilePlacement(
                horizontal: axis(picture.width, tiles: columns),
                vertical: axis(picture.height, tiles: rows)),
            columns: pixels(tiles: columns), rows: pixels(tiles: rows))
    }

    package func tiles(of picture: Picture) throws(ImagingError) -> TileBatch {
        let cut = cut(picture.size)
        let pixels = try SampleBuffer<Float>(
            count: cut.grid.tileCount * 3 * tileSide * tileSide, name: picture.size.pictureName)
        let stretched = try picture.resized(to: cut.scaled).resized(to: cut.stretched)
        func write(_ picture: Picture, column: Int, row: Int, tile: Int) {
            normalisation.write(
                picture, column: column, row: row,
                tileSize: PixelSize(width: tileSide, height: tileSide), to: pixels, tile: tile)
        }
        for tile in 0..<cut.grid.tileCount - 1 {
            let (row, column) = tile.quotientAndRemainder(dividingBy: cut.grid.columns)
            write(stretched, column: column, row: row, tile: tile)
        }
        let whole = try stretched.resized(to: PixelSize(width: tileSide, height: tileSide))
        write(whole, column: 0, row: 0, tile: cut.grid.tileCount - 1)
        return TileBatch(
            plan: cut.grid.plan(cellsPerSide: cellsPerSide, markers),
            size: PixelSize(width: tileSide, height: tileSide),
            pixels: Samples(pixels))
    }
}

extension Picture {
    /// The picture at this size; unchanged if it has it.
    fileprivate func resized(to size: PixelSize) throws(ImagingError) -> Picture {
        size == self.size
            ? self : try resized(width: size.width, height: size.height, filter: .lanczos)
    }
}

extension PixelSize {
    /// The longer side at this length, and the other in proportion.
    ///
    /// - Parameter isEven: whether an odd shorter side becomes one longer.
    fileprivate func scaled(longerSide length: Int, isEven: Bool) -> PixelSize {
        let aspect = Double(width) / Double(height)
        func shorter(_ exact: Double) -> Int {
            let side = Int(exact)
            return max(1, isEven ? side + side % 2 : side)
        }
        return width >= height
            ? PixelSize(width: length, height: shorter(Double(length) / aspect))
            : PixelSize(width: shorter(Double(length) * aspect), height: length)
    }

    /// The size in proportion whose sides are at most this long.
    fileprivate func bounded(by limit: Int) -> PixelSize {
        max(width, height) > limit ? scaled(longerSide: limit, isEven: false) : self
    }

    /// Both sides as multiples of a tile's, the longer one first and the shorter in proportion to it.
    fileprivate func stretched(toTilesOf side: Int) -> PixelSize {
        let aspect = Double(width) / Double(height)
        func whole(_ length: Int) -> Int { max(1, (length + side - 1) / side) * side }
        if width >= height {
            let longer = whole(width)
            return PixelSize(width: longer, height: whole(Int(Double(longer) / aspect)))
        }
        let longer = whole(height)
        return PixelSize(width: whole(Int(Double(longer) * aspect)), height: longer)
    }
}
