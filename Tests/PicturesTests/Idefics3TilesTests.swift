// SPDX-License-Identifier: Apache-2.0
import GGUF
import Imaging
import ModelTestSupport
import TensorOps
import TestSupport
import Testing

@testable import Pictures
@testable import Weights

/// Idefics3's grids, rows and cells, by the published models' numbers.
@Suite struct Idefics3TilesTests {
    private static let markers = Idefics3Markers(
        around: 100, places: (1...6).map { row in (1...6).map { Int32(10 * row + $0) } },
        whole: 101,
        lineEnd: [102], lastLineEnd: [103])

    /// Tiles of 512 pixels in patches of 16, of which 4 × 4 are a cell, as in SmolVLM2-500M.
    func tiles(atMost mostTiles: Int? = nil, perSide: Int = 4) throws -> Idefics3Tiles {
        var model = TinyModel()
        (model.tileSide, model.patchSide) = (512, 16)
        let config = try VisionConfig(
            model.projectorMetadata().metadata(), stored: VisionConfig.Stored(blocks: 3))
        return Idefics3Tiles(
            config, cellsPerSide: 8, tilesPerSide: perSide, mostTiles: mostTiles, Self.markers)
    }

    /// Width, height, columns and rows of tiles; transformers 4.57.6's processor gives the same.
    @Test(arguments: [
        (1024, 768, 4, 3), (768, 1024, 3, 4), (500, 500, 4, 4), (1920, 1080, 4, 3),
        (1000, 500, 4, 2), (300, 100, 4, 2), (31, 23, 4, 3), (4000, 10, 4, 1), (10, 4000, 1, 4),
        (1, 1, 4, 4), (4096, 4095, 4, 4), (2049, 1025, 4, 2), (2048, 1024, 4, 2),
    ])
    func picturesAreCutAsInTraining(width: Int, height: Int, columns: Int, rows: Int) throws {
        let size = PixelSize(width: width, height: height)
        let grid = try tiles().cut(size).grid
        #expect(grid == Idefics3Grid(columns: columns, rows: rows))
        let plan = try tiles().plan(size)
        #expect(plan.cellCount == 64 * (columns * rows + 1))
        // Two markers for each tile, an end of each row of tiles, one marker at last.
        #expect(plan.rows.count == 66 * (columns * rows + 1) + rows + 1)
        #expect(plan.candidateCells == Array(0..<plan.cellCount))
    }

    /// A small picture is enlarged first; the second size is in proportion to the first.
    @Test func bothSizesAreThoseOfTheProcessor() throws {
        let cut = try tiles().cut(PixelSize(width: 157, height: 101))
        #expect(cut.scaled == PixelSize(width: 2048, height: 1318))
        #expect(cut.stretched == PixelSize(width: 2048, height: 1536))
    }

    @Test func markersStandWhereTheModelReadsThem() throws {
        let plan = Idefics3Grid(columns: 2, rows: 2).plan(cellsPerSide: 1, Self.markers)
        #expect(
            plan.rows == [
                .token(100), .token(11), .cell(tile: 0, index: 0), .token(100), .token(12),
                .cell(tile: 1, index: 0), .token(102), .token(100), .token(21),
                .cell(tile: 2, index: 0), .token(100), .token(22), .cell(tile: 3, index: 0),
                .token(103), .token(100), .token(101), .cell(tile: 4, index: 0), .token(100),
            ])
        let whole = Idefics3Grid(columns: 1, rows: 1).plan(cellsPerSide: 1, Self.markers)
        #expect(
            whole.rows == [
                .token(100), .token(101), .cell(tile: 0, index: 0), .token(100),
            ])
    }

    /// A tile of which nothing is left needs no markers.
    @Test func markersGoWithTheirTiles() throws {
        let plan = Idefics3Grid(columns: 2, rows: 2).plan(cellsPerSide: 1, Self.markers)
        #expect(plan.rows(keeping: [1]) == [3, 4, 5, 6, 13, 17])
        #expect(plan.rows(keeping: [4]) == [14, 15, 16, 17])
        #expect(plan.rows(keeping: Array(0..<5)) == Array(plan.rows.indices))
        for count in 0...5 {
            let most = plan.mostRows(within: .count(count))
            for kept in [Array((0..<5).prefix(count)), (0..<5).suffix(count)] {
                #expect(plan.rows(keeping: kept).count <= most)
            }
            #expect(most <= plan.rows.count)
        }
        #expect(plan.mostRows(within: nil) == 18)
    }

    @Test(arguments: [1, 2, 3, 5, 7, 9, 10, 12, 13, 16, 17, 100])
    func aLimitMakesPicturesSmaller(most: Int) throws {
        let tiles = try tiles(atMost: most)
        var random = SeededGenerator(seed: UInt64(most))
        let largest = tiles.largestPlans.reduce(0) { max($0, $1.rows.count) }
        for _ in 0..<200 {
            let size = PixelSize(
                width: .random(in: 1...3000, using: &random),
                height: .random(in: 1...3000, using: &random))
            let cut = tiles.cut(size)
            #expect(cut.grid.tileCount <= most)
            #expect(tiles.plan(size).rows.count <= largest)
            // One more tile along the longer side would be too many.
            let longer = max(cut.grid.columns, cut.grid.rows)
            if longer < 4 {
                let next = try self.tiles(perSide: longer + 1).cut(size).grid
                #expect(next.tileCount > most)
            }
        }
        #expect(try self.tiles(atMost: 17).largestPlans.map(\.tiles.count) == [17])
    }

    @Test func regionsCoverThePictureTwice() throws {
        let size = PixelSize(width: 157, height: 101)
        let regions = try tiles().regions(of: size)
        let plan = try tiles().plan(size)
        #expect(regions.count == plan.candidates.count)
        let pixels = regions.rectangles.reduce(0) { $0 + $1.columns.count * $1.rows.count }
        #expect(pixels == 2 * size.width * size.height)
    }

    /// Candidates come tile by tile, the whole picture's last; each is shown where its tile is.
    @Test func regionsAreThoseOfTheTiles() throws {
        let size = PixelSize(width: 1024, height: 768)  // 4 × 3 tiles of 256 × 256 pixels
        let (regions, plan) = (try tiles().regions(of: size), try tiles().plan(size))
        let expected = plan.candidates.compactMap { row -> PixelRectangle? in
            guard case .cell(let tile, let index) = plan.rows[row] else { return nil }
            let (down, across) = index.quotientAndRemainder(dividingBy: 8)
            let isWhole = tile == 12
            let (width, height) = isWhole ? (128, 96) : (32, 32)
            let left = across * width + (isWhole ? 0 : tile % 4 * 256)
            let top = down * height + (isWhole ? 0 : tile / 4 * 256)
            return PixelRectangle(columns: left..<left + width, rows: top..<top + height)
        }
        #expect(regions.rectangles == expected)
        #expect(regions.candidateGrids.map(\.columns) == [8, 32])
        #expect(regions.candidateGrids.map(\.rows) == [8, 24])
        // The first cell of the second tile, and the whole picture's second.
        #expect(regions.cells(of: [64, 12 * 64 + 1]) == [[1], [8]])
    }

    @Test func aMapOutlinesCellsWhereTheirTilesAre() throws {
        let size = PixelSize(width: 64, height: 48)  // tiles of 16 × 16 pixels, cells of 2 × 2
        let picture = Picture(
            width: size.width, height: size.height,
            pixels: [UInt8](repeating: 200, count: size.width * size.height * 3))
        let regions = try tiles().regions(of: size)
        var options = PruneMap.Options()
        options.patchSide = 2
        // Tile 5 is in the second row and the second column.
        let map = try PruneMap.draw(
            picture, regions: regions, kept: Array(5 * 64..<6 * 64), options: options)
        let whole = size.width + 2  // the copy of the whole picture, and the gap
        func isBright(_ x: Int, _ y: Int) -> Bool {
            map.pixels[(y * map.width + whole + x) * 3 + 1] >= 200
        }
        #expect(map.width == whole + size.width)
        for y in 0..<size.height {
            for x in 0..<size.width {
                let isKept = (16..<32).contains(x) && (16..<32).contains(y)
                #expect(isBright(x, y) == isKept, "\(x), \(y)")
            }
        }
    }

    @Test func cellsOfABlockAreJoinedRowByRow() throws {
        let merging = PatchMerging(side: 2, patchesPerSide: 4)
        let patches = Activations((0..<16).map(Float.init), width: 1)
        let cells = merging.merged(patches, testOps)
        #expect(cells.rows == 4 && cells.width == 4)
        #expect(
            cells.array == [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15].map(Float.init))
        #expect(merging.means((0..<16).map(Float.init)) == [2.5, 4.5, 10.5, 12.5])
        let single = PatchMerging(side: 1, patchesPerSide: 4)
        #expect(single.merged(patches, testOps) === patches)
    }
}
