// SPDX-License-Identifier: Apache-2.0
import Imaging
import TestSupport
import Testing

@testable import Pictures

@Suite struct TileGeometryTests {
    /// LLaVA-NeXT's resolutions in Hugging Face's order; Hugging Face writes them as height, width.
    static let pinpoints = [(672, 336), (336, 672), (672, 672), (336, 1008), (1008, 336)]
        .map { PixelSize(width: $0.0, height: $0.1) }

    static func tiles(_ layout: TileLayout) throws -> LLaVATiles {
        try LLaVATiles(
            tileSide: 336, patchSide: 14, mean: [0.48145466, 0.4578275, 0.40821073],
            deviation: [0.26862954, 0.26130258, 0.27577711], layout: layout)
    }

    @Test(arguments: [
        // picture, grid in tiles, kept columns, kept rows, tokens
        (336, 336, 2, 1, 24, 24, 1176), (300, 200, 2, 1, 36, 24, 1464),
        (512, 512, 2, 2, 48, 48, 2928), (640, 480, 2, 2, 48, 36, 2340),
        (800, 600, 2, 2, 48, 36, 2340), (1024, 768, 2, 2, 48, 36, 2340),
        (4000, 3000, 2, 2, 48, 36, 2340), (480, 640, 2, 2, 36, 48, 2352),
        (1280, 720, 2, 2, 48, 28, 1948), (1920, 1080, 2, 2, 48, 28, 1948),
        (1080, 1920, 2, 2, 28, 48, 1968), (2048, 1024, 2, 1, 48, 24, 1752),
        (1500, 500, 3, 1, 72, 24, 2328), (1070, 150, 3, 1, 72, 10, 1306),
    ])
    func anyres(
        width: Int, height: Int, columns: Int, rows: Int, keptColumns: Int, keptRows: Int,
        tokens: Int
    ) throws {
        let geometry = try Self.tiles(.anyres(pinpoints: Self.pinpoints))
            .geometry(of: PixelSize(width: width, height: height))
        #expect(geometry.gridColumns == columns && geometry.gridRows == rows)
        #expect(geometry.tileCount == 1 + columns * rows)
        #expect(geometry.keptColumns.count == keptColumns)
        #expect(geometry.keptRows.count == keptRows)
        #expect(geometry.plan.rows.count == tokens)
    }

    @Test(arguments: [TileLayout.padToSquare, .centerCrop], [(1, 5000), (336, 336), (4000, 3000)])
    func oneTile(layout: TileLayout, size: (Int, Int)) throws {
        let geometry = try Self.tiles(layout).geometry(of: PixelSize(width: size.0, height: size.1))
        #expect(geometry == .single(patchesPerSide: 24))
        #expect(geometry.plan.rows.count == 576)
    }

    @Test func keptPatchesLieInTheMiddle() throws {
        let geometry = try Self.tiles(.anyres(pinpoints: Self.pinpoints))
            .geometry(of: PixelSize(width: 1280, height: 720))
        #expect(geometry.keptRows == 10..<38)
        #expect(geometry.keptColumns == 0..<48)
    }

    /// Rows of width, height, best width, best height, patches kept of the grid, newlines.
    @Test func followsTransformersAtAnySize() throws {
        let table = try NPYArray(fixture: "pictures/geometry.npy")
        let tiling = try Self.tiles(.anyres(pinpoints: Self.pinpoints))
        for row in 0..<table.shape[0] {
            let expected = table.int32s[row * 6..<row * 6 + 6].map { Int($0) }
            let geometry = tiling.geometry(of: PixelSize(width: expected[0], height: expected[1]))
            let actual = [
                expected[0], expected[1], geometry.gridColumns * 336, geometry.gridRows * 336,
                geometry.keptRows.count * geometry.keptColumns.count, geometry.keptRows.count,
            ]
            #expect(actual == expected)
        }
    }
}
