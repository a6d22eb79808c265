// SPDX-License-Identifier: Apache-2.0
import Imaging
import TensorOps
import TestSupport
import Testing

@testable import Pictures

/// LLaVA-OneVision's grids, where they have too many cells.
@Suite struct ShrunkGridTests {
    /// PyTorch 2.13: `interpolate(arange(20).view(1, 1, 4, 5), [3, 2], mode="bilinear")`.
    @Test func cellsAreInterpolatedAsByPyTorch() {
        let grid = ShrunkGrid(columns: 2, rows: 3, sources: Array(1..<21), sourceColumns: 5)
        let cells = Activations([100] + (0..<20).map(Float.init), width: 1)
        let tiles = [
            PicturePlan.Tile(columns: 1, rows: 1), PicturePlan.Tile(columns: 5, rows: 4),
        ]
        let plan = PicturePlan(tiles: tiles, wholeTiles: 1, shrunkGrids: [grid])
        let shrunk = plan.shrunk(cells).array
        let expected: [Float] = [100, 1.583333, 4.083333, 8.25, 10.75, 14.916667, 17.416667]
        #expect(relativeError(shrunk, expected) < 1e-6)
    }

    private func tiles(_ most: Int?) throws -> LLaVATiles {
        let pinpoints = (1...6).flatMap { rows in
            (1...6).map { PixelSize(width: 384 * $0, height: 384 * rows) }
        }
        return try LLaVATiles(
            tileSide: 384, patchSide: 14, mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5],
            layout: .anyres(pinpoints: pinpoints, mostGridTiles: most))
    }

    /// Width, height, and rows of the picture in transformers 4.57.6 (`_get_number_of_features`).
    @Test(arguments: [
        (1024, 768, 4725), (384, 384, 1485), (2304, 2304, 7371), (2304, 1536, 7329),
        (300, 2000, 4941), (5000, 1000, 5945), (1500, 1500, 7371), (1200, 1100, 7938),
    ])
    func rowsOfTheWholePicture(width: Int, height: Int, rows: Int) throws {
        let size = PixelSize(width: width, height: height)
        let plan = try tiles(9).plan(size)
        #expect(plan.rows.count == rows)
        #expect(try tiles(9).regions(of: size).count == plan.candidates.count)
        #expect(plan.candidateCells == Array(0..<plan.cellCount) || plan.shrunkGrids.isEmpty)
    }

    @Test func aShrunkGridStillCoversThePicture() throws {
        let size = PixelSize(width: 2304, height: 1536)
        let (whole, shrunk) = (try tiles(nil), try tiles(9))
        #expect(whole.plan(size).shrunkGrids.isEmpty && !shrunk.plan(size).shrunkGrids.isEmpty)
        let rectangles = try #require(shrunk.regions(of: size).grids.last).rectangles(
            onCopyOf: size)
        // Neighbours share at most the pixels in which their edge is; a tile's last 6 of 384 pixels belong to no patch.
        let columns = rectangles.prefix(shrunk.regions(of: size).grids[1].columns.count).map(
            \.columns)
        for (left, right) in zip(columns, columns.dropFirst()) {
            #expect((-6...2).contains(left.upperBound - right.lowerBound))
        }
    }
}
