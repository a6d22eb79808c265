// SPDX-License-Identifier: Apache-2.0
import Imaging
import TestSupport
import Testing

@testable import Pictures

/// Small tiles whose colours are unchanged.
func smallTiles(
    _ layout: TileLayout, tileSide: Int = 28, patchSide: Int = 7
) throws -> LLaVATiles {
    try LLaVATiles(
        tileSide: tileSide, patchSide: patchSide, mean: [0.5, 0.5, 0.5], deviation: [1, 1, 1],
        layout: layout)
}

@Suite struct PatchRegionsTests {
    static let square = [PixelSize(width: 56, height: 56)]

    /// The columns of the first row of `width` candidates, and the rows of its first column.
    private func spans(
        _ rectangles: some Collection<PixelRectangle>, width: Int
    ) -> (columns: [Range<Int>], rows: [Range<Int>]) {
        let rectangles = Array(rectangles)
        let columns = rectangles.prefix(width).map(\.columns)
        let rows = stride(from: 0, to: rectangles.count, by: width).map { rectangles[$0].rows }
        for (index, rectangle) in rectangles.enumerated() {
            #expect(rectangle.columns == columns[index % width])
            #expect(rectangle.rows == rows[index / width])
        }
        return (columns, rows)
    }

    private func regions(
        _ width: Int, _ height: Int, _ tiling: LLaVATiles
    ) -> PatchRegions {
        tiling.regions(of: PixelSize(width: width, height: height))
    }

    @Test func aLandscapePadded() throws {
        // The picture is rows 2 to 6 of an 8×8 canvas, a patch 2 pixels of it.
        let regions = regions(8, 4, try smallTiles(.padToSquare))
        let (columns, rows) = spans(regions.rectangles, width: 4)
        #expect(columns == [0..<2, 2..<4, 4..<6, 6..<8])
        #expect(rows == [0..<0, 0..<2, 2..<4, 4..<4])
        #expect(regions.count == 16)
        #expect((0..<16).filter(regions.isPadding) == [0, 1, 2, 3, 12, 13, 14, 15])
    }

    /// A grid reaches beyond the picture where it was padded, and lies within it where it was cropped.
    @Test func gridsLieOnThePicture() throws {
        let padded = regions(8, 4, try smallTiles(.padToSquare)).candidateGrids
        #expect(
            padded == [CandidateGrid(x: 0, y: -2, width: 8, height: 8, columns: 4, rows: 4)])
        let cropped = regions(8, 4, try smallTiles(.centerCrop)).candidateGrids
        #expect(
            cropped == [CandidateGrid(x: 2, y: 0, width: 4, height: 4, columns: 4, rows: 4)])
        let tiled = regions(56, 28, try smallTiles(.anyres(pinpoints: Self.square)))
        // The whole picture, and the grid without its padding.
        #expect(
            tiled.candidateGrids == [
                CandidateGrid(x: 0, y: 0, width: 56, height: 28, columns: 4, rows: 4),
                CandidateGrid(x: 0, y: 0, width: 56, height: 28, columns: 8, rows: 4),
            ])
        #expect(tiled.candidateGrids.reduce(0) { $0 + $1.count } == tiled.count)
    }

    @Test func aPortraitPaddedWithEdgesThroughPixels() throws {
        // Edges are at 0, 1.5, 3, 4.5, 6 of a 6×6 canvas, where the picture is columns 1 to 4.
        let regions = regions(3, 6, try smallTiles(.padToSquare))
        let (columns, rows) = spans(regions.rectangles, width: 4)
        #expect(columns == [0..<0, 0..<2, 2..<3, 3..<3])
        #expect(rows == [0..<1, 1..<3, 3..<4, 4..<6])
        // The first column sees half a pixel but no pixel's centre. The last sees nothing.
        #expect((0..<16).filter(regions.isPadding) == [3, 7, 11, 15])
    }

    @Test func theMiddleOfACroppedPicture() throws {
        // Resized to 70×28, of which columns 21 to 49 are the tile: 3 to 7 of the picture.
        let regions = regions(10, 4, try smallTiles(.centerCrop))
        let (columns, rows) = spans(regions.rectangles, width: 4)
        #expect(columns == [3..<4, 4..<5, 5..<6, 6..<7])
        #expect(rows == [0..<1, 1..<2, 2..<3, 3..<4])
        #expect(!(0..<16).contains(where: regions.isPadding))
    }

    @Test func baseAndGridWhosePaddingIsWholePatches() throws {
        // Resized to 56×28, in the middle of 56×56: the rows of patches 2 to 6 show it.
        let regions = regions(16, 8, try smallTiles(.anyres(pinpoints: Self.square)))
        #expect(regions.count == 16 + 32)
        let base = spans(regions.rectangles.prefix(16), width: 4)
        #expect(base.columns == [0..<4, 4..<8, 8..<12, 12..<16])
        #expect(base.rows == [0..<2, 2..<4, 4..<6, 6..<8])
        let grid = spans(regions.rectangles.dropFirst(16), width: 8)
        #expect(grid.columns == (0..<8).map { $0 * 2..<$0 * 2 + 2 })
        #expect(grid.rows == [0..<2, 2..<4, 4..<6, 6..<8])
    }

    @Test func unpaddingThatCutsThePicture() throws {
        // Resized to 56×32 from row 12 on, but only the patches from row 14 to 42 are kept.
        let regions = regions(16, 9, try smallTiles(.anyres(pinpoints: Self.square)))
        let grid = spans(regions.rectangles.dropFirst(16), width: 8)
        #expect(grid.rows == [1..<3, 3..<4, 4..<6, 6..<8])
    }

    @Test func patchesThatDoNotFillTheirTiles() throws {
        let pinpoints = [PixelSize(width: 60, height: 30)]
        let tiling = try smallTiles(.anyres(pinpoints: pinpoints), tileSide: 30)
        let regions = regions(60, 30, tiling)
        let grid = spans(regions.rectangles.dropFirst(16), width: 8)
        #expect(grid.columns == [0, 7, 14, 21, 30, 37, 44, 51].map { $0..<$0 + 7 })
        #expect(grid.rows == [0, 7, 14, 21].map { $0..<$0 + 7 })
    }

    @Test func onePixel() throws {
        let regions = regions(1, 1, try smallTiles(.padToSquare))
        #expect(regions.rectangles.indices.filter { !regions.rectangles[$0].isEmpty } == [10])
        #expect(regions.rectangles[10] == PixelRectangle(columns: 0..<1, rows: 0..<1))
        #expect(!(0..<16).contains(where: regions.isPadding))
    }

    @Test func candidatesAreTheVisualTokensWithoutNewlines() throws {
        let pinpoints = TileGeometryTests.pinpoints
        let tiling = try TileGeometryTests.tiles(.anyres(pinpoints: pinpoints))
        for (width, height) in [(640, 480), (1, 5000), (1070, 150), (301, 997)] {
            let geometry = tiling.geometry(of: PixelSize(width: width, height: height))
            let regions = regions(width, height, tiling)
            #expect(regions.count == geometry.plan.rows.count - geometry.keptRows.count)
            #expect(regions.rectangles.count == regions.count)
        }
    }

    static let sizes = [
        (1, 1), (1, 2), (2, 1), (7, 5), (24, 24), (23, 25), (336, 336), (337, 336), (451, 300),
        (300, 451), (101, 97), (1, 3000), (3000, 2), (1999, 13),
    ]

    @Test(arguments: sizes)
    func everyPixelBelongsToOnePatch(width: Int, height: Int) throws {
        for layout in [TileLayout.padToSquare, .anyres(pinpoints: TileGeometryTests.pinpoints)] {
            let regions = regions(width, height, try TileGeometryTests.tiles(layout))
            var owners = [Int](repeating: 0, count: width * height)
            for rectangle in regions.rectangles.prefix(576) {
                for row in rectangle.rows {
                    for column in rectangle.columns { owners[row * width + column] += 1 }
                }
            }
            #expect(owners.allSatisfy { $0 == 1 })
        }
    }

    @Test(arguments: sizes)
    func noPixelBelongsToTwoPatches(width: Int, height: Int) throws {
        for layout in [TileLayout.centerCrop, .anyres(pinpoints: TileGeometryTests.pinpoints)] {
            let regions = regions(width, height, try TileGeometryTests.tiles(layout))
            for grid in regions.grids {
                var owners = [Int](repeating: 0, count: width * height)
                for rectangle in grid.rectangles(onCopyOf: regions.picture) {
                    for row in rectangle.rows {
                        for column in rectangle.columns { owners[row * width + column] += 1 }
                    }
                }
                #expect(owners.allSatisfy { $0 <= 1 })
                let covered = owners.reduce(0, +)
                if layout == .centerCrop {
                    let side = min(width, height)
                    #expect(abs(covered - side * side) <= side)
                }
            }
        }
    }

    /// A picture that is white only in one patch's region is brightest in that patch of its tile.
    @Test(arguments: [
        (TileLayout.padToSquare, 120, 77), (.padToSquare, 61, 133), (.centerCrop, 190, 100),
        (.centerCrop, 99, 131), (.anyres(pinpoints: PatchRegionsTests.square), 151, 100),
        (.anyres(pinpoints: PatchRegionsTests.square), 97, 160),
    ])
    func tilesShowWhatRegionsSay(layout: TileLayout, width: Int, height: Int) throws {
        let tiling = try smallTiles(layout)
        let regions = regions(width, height, tiling)
        let geometry = tiling.geometry(of: PixelSize(width: width, height: height))
        for (candidate, rectangle) in regions.rectangles.enumerated() {
            // A sliver at the padding's edge is not conclusive.
            guard rectangle.columns.count > 1, rectangle.rows.count > 1 else { continue }
            var pixels = [UInt8](repeating: 0, count: width * height * 3)
            for row in rectangle.rows {
                for index in rectangle.columns.lowerBound * 3..<rectangle.columns.upperBound * 3 {
                    pixels[row * width * 3 + index] = 255
                }
            }
            let picture = Picture(width: width, height: height, pixels: pixels)
            let tiles = try tiling.tiles(of: picture)
            let (tile, patch) = place(of: candidate, geometry)
            // Padding is grey, brighter than black, so only patches of the picture are compared.
            let brightness = (0..<16).map { mean(of: tiles, tile: tile, patch: $0) }
            let others = (0..<16).filter { tile > 0 || !regions.isPadding($0) }
            #expect(others.max { brightness[$0] < brightness[$1] } == patch)
        }
    }

    /// The tile of a candidate, and its patch in the tile.
    private func place(of candidate: Int, _ geometry: TileGeometry) -> (tile: Int, patch: Int) {
        guard candidate >= 16 else { return (0, candidate) }
        let width = geometry.keptColumns.count
        let row = geometry.keptRows.lowerBound + (candidate - 16) / width
        let column = geometry.keptColumns.lowerBound + (candidate - 16) % width
        return (1 + row / 4 * geometry.gridColumns + column / 4, row % 4 * 4 + column % 4)
    }

    private func mean(of tiles: TileBatch, tile: Int, patch: Int) -> Float {
        var sum: Float = 0
        for y in patch / 4 * 7..<patch / 4 * 7 + 7 {
            for x in patch % 4 * 7..<patch % 4 * 7 + 7 {
                sum += tiles.pixels[(tile * 3 * 28 + y) * 28 + x]
            }
        }
        return sum / 49
    }
}
