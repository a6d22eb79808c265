// SPDX-License-Identifier: Apache-2.0
import Imaging
import TensorOps
import TestSupport
import Testing
import TokenPruning

@testable import Pictures

/// Packing against the sequence that its definition writes down.
@Suite struct PicturePlanTests {
    private static let newline: [Float] = [-7, -8]

    /// Rows `[tile, patch]`, so that each says where it comes from.
    private func projected(_ geometry: TileGeometry) -> Activations {
        let patches = geometry.patchesPerSide * geometry.patchesPerSide
        let rows = (0..<geometry.tileCount).flatMap { tile in
            (0..<patches).flatMap { [Float(tile), Float($0)] }
        }
        return Activations(rows, width: 2)
    }

    /// The base tile, then the joined grid cell by cell, read off a drawn map of the tiles.
    private func definition(_ geometry: TileGeometry) -> [Float] {
        let side = geometry.patchesPerSide
        var map: [[[Float]]] = []
        for tileRow in 0..<geometry.gridRows {
            for patchRow in 0..<side {
                var line: [[Float]] = []
                for tileColumn in 0..<geometry.gridColumns {
                    let tile = 1 + tileRow * geometry.gridColumns + tileColumn
                    for patchColumn in 0..<side {
                        line.append([Float(tile), Float(patchRow * side + patchColumn)])
                    }
                }
                map.append(line)
            }
        }
        let base = (0..<side * side).flatMap { [Float(0), Float($0)] }
        let grid = map[geometry.keptRows].flatMap { line in
            line[geometry.keptColumns].flatMap { $0 } + Self.newline
        }
        return base + grid
    }

    private func pack(_ geometry: TileGeometry) -> Activations {
        EncodedPicture(
            plan: geometry.plan, embeddings: projected(geometry), features: nil,
            attention: nil, newline: Self.newline, key: nil, seconds: 0
        ).rows(Array(geometry.plan.rows.indices))
    }

    private func check(_ geometry: TileGeometry) {
        let packed = pack(geometry)
        #expect(packed.array == definition(geometry))
        #expect(packed.rows == geometry.plan.rows.count)
    }

    @Test(arguments: [(1, 2), (2, 1), (2, 2), (3, 1), (1, 3), (1, 1), (4, 3)], [1, 2, 3, 24])
    func gridsOfAllShapes(grid: (columns: Int, rows: Int), patchesPerSide: Int) {
        // The grid's own shape keeps all; others lose rows or columns, down to none.
        let sizes = [
            (grid.columns * 60, grid.rows * 60), (60, 61), (100, 60), (60, 100), (300, 17),
            (17, 300),
            (5000, 1), (1, 5000),
        ]
        for (width, height) in sizes {
            check(
                .grid(
                    columns: grid.columns, rows: grid.rows, patchesPerSide: patchesPerSide,
                    picture: PixelSize(width: width, height: height)))
        }
    }

    @Test func paddingIsCutInRowsAndInColumns() {
        func kept(_ width: Int, _ height: Int) -> TileGeometry {
            .grid(
                columns: 2, rows: 2, patchesPerSide: 24,
                picture: PixelSize(width: width, height: height))
        }
        #expect(kept(640, 480).plan.rows.count == 2340)
        #expect(kept(480, 640).plan.rows.count == 2352)
        check(kept(640, 480))
        check(kept(480, 640))
    }

    @Test func nothingKeptLeavesTheBaseOrNewlinesAlone() {
        func geometry(rows: Range<Int>, columns: Range<Int>) -> TileGeometry {
            TileGeometry(
                tileCount: 3, patchesPerSide: 2, gridColumns: 2, gridRows: 1, keptRows: rows,
                keptColumns: columns)
        }
        let noRows = geometry(rows: 1..<1, columns: 0..<4)
        #expect(pack(noRows).rows == 4)
        check(noRows)
        let noColumns = geometry(rows: 0..<2, columns: 2..<2)
        #expect(pack(noColumns).rows == 6)
        check(noColumns)
    }

    @Test func oneTileStaysAsItIs() {
        let geometry = TileGeometry.single(patchesPerSide: 3)
        #expect(pack(geometry).array == projected(geometry).array)
    }

    /// The rows of pictures that keep cells of as many lines as they can.
    @Test func mostRowsCountANewlineForEveryKeptCell() {
        let plan = TileGeometry.grid(
            columns: 2, rows: 2, patchesPerSide: 24, picture: PixelSize(width: 640, height: 480)
        ).plan
        #expect(plan.mostRows(within: nil) == 2340 && plan.positionSpan == 2340)
        #expect(plan.mostRows(within: .count(10)) == 20)
        // 36 lines show the picture.
        #expect(plan.mostRows(within: .count(64)) == 64 + 36)
        #expect(plan.mostRows(within: .percent(100)) == 2340)
        #expect(TileGeometry.single(patchesPerSide: 3).plan.mostRows(within: .count(5)) == 5)
        let spread = (0..<36).map { 576 + 48 * $0 }
        #expect(plan.rows(keeping: spread).count == plan.mostRows(within: .count(36)))
    }

    /// A tall grid has fewer rows than a square one, but more newlines.
    @Test func noPictureExceedsTheLargestPlans() throws {
        let tiling = try TileGeometryTests.tiles(.anyres(pinpoints: TileGeometryTests.pinpoints))
        #expect(tiling.largestPlans.mostRows(within: nil) == 576 + 48 * 49)
        #expect(tiling.largestPlans.mostRows(within: .count(64)) == 128)
        for size in [(336, 1008), (640, 480), (1, 5000), (5000, 1), (777, 778), (500, 1500)] {
            let plan = tiling.plan(PixelSize(width: size.0, height: size.1))
            for budget in [nil, KeepBudget.count(1), .count(60), .count(700), .percent(11.1)] {
                #expect(
                    plan.mostRows(within: budget) <= tiling.largestPlans.mostRows(within: budget))
            }
        }
    }
}
