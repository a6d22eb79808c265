// SPDX-License-Identifier: Apache-2.0
import TensorOps
import TestSupport
import Testing

@testable import Imaging
@testable import LLaVAModel

/// Packing against the sequence that its definition writes down.
@Suite struct VisualTokenPackingTests {
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
        packVisualTokens(
            projected(geometry), VisualTokenLayout(geometry, hasNewlines: true).rows,
            newline: Self.newline)
    }

    private func check(_ geometry: TileGeometry) {
        let packed = pack(geometry)
        #expect(packed.array == definition(geometry))
        #expect(packed.rows == geometry.visualTokenCount)
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
        #expect(kept(640, 480).visualTokenCount == 2340)
        #expect(kept(480, 640).visualTokenCount == 2352)
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
        let rows = projected(geometry)
        let layout = VisualTokenLayout(geometry, hasNewlines: false)
        #expect(packVisualTokens(rows, layout.rows, newline: nil).array == rows.array)
    }
}
