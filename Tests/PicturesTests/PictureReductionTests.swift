// SPDX-License-Identifier: Apache-2.0
import GGUF
import Imaging
import ModelTestSupport
import TestSupport
import Testing
import TokenPruning

@testable import Pictures

/// Smaller pictures, against all limits that a user could set.
@Suite struct PictureReductionTests {
    private static let sizes = [
        (640, 480), (300, 1000), (1000, 90), (64, 64), (1, 1), (1601, 1600),
    ]
    .map { PixelSize(width: $0, height: $1) }
    private static let budgets = [1, 7, 64, 128, 600, 1500, 100_000]

    private func candidates(_ tiling: any PictureTiling, _ picture: PixelSize) -> Int {
        tiling.plan(picture).candidates.count
    }

    private static let pinpoints = [(336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008)]
        .map { PixelSize(width: $0, height: $1) }

    /// No number of tiles comes nearer, and the limits that are named make the same tiles.
    private func check<Tiling: PictureTiling>(
        _ whole: Tiling, mostTiles: Int, limited: (Int) throws -> Tiling
    ) throws {
        #expect(whole.limit == .tiles)
        let tilings = try (1...mostTiles).map(limited)
        for picture in Self.sizes {
            let choices = tilings.map { candidates($0, picture) }
            for budget in Self.budgets {
                let chosen = try #require(whole.limited(to: budget, for: picture))
                let distance = abs(candidates(chosen.tiling, picture) - budget)
                #expect(distance == choices.map { abs($0 - budget) }.min())
                let tiles = try #require(chosen.limits.mostTiles)
                #expect(tilings[tiles - 1].plan(picture) == chosen.tiling.plan(picture))
                #expect(chosen.tiling.plan(picture).tiles.count <= tiles)
            }
        }
    }

    @Test(arguments: [nil, 9])
    func gridsOfLLaVA(mostGridTiles: Int?) throws {
        let layout = TileLayout.anyres(pinpoints: Self.pinpoints, mostGridTiles: mostGridTiles)
        let whole = try LLaVATilesTests.tiles(side: 336, layout: layout)
        try check(whole, mostTiles: 6) { whole.limited(toTiles: $0) }
        let alone = whole.limited(toTiles: 2)
        #expect(alone.layout == (mostGridTiles == nil ? .stretchedLine : .paddedLine))
        // All patches of the picture, and a newline.
        #expect(alone.plan(PixelSize(width: 640, height: 480)).rows.count == 24 * 24 + 1)
        #expect(alone.limit == nil && alone.limited(to: 1, for: Self.sizes[0]) == nil)
        #expect(whole.limited(toTiles: nil).layout == layout)
        #expect(whole.limited(toTiles: 4).layout != layout)
    }

    @Test func gridsOfIdefics3() throws {
        func tiles(_ mostTiles: Int? = nil) throws -> Idefics3Tiles {
            try Idefics3TilesTests().tiles(atMost: mostTiles)
        }
        try check(try tiles(), mostTiles: 17) { try tiles($0) }
        #expect(try tiles(1).limit == nil)
    }

    /// One more pixel would give more cells than the budget.
    @Test func pixelsOfQwenVL() throws {
        var projector = TinyModel.qwen3VL.projector()
        projector["clip.vision.image_max_pixels"] = .uint32(28 * 28 * 2000)
        let folder = try TemporaryFolder()
        let file = try GGUFFile(path: folder.write(projector.image().bytes, to: "mmproj.gguf"))
        let config = try #require(try QwenVLConfig(file))
        func tiling(_ mostPixels: Int? = nil) -> QwenVLTiling {
            QwenVLTiling(config, mostPixels: mostPixels, start: 1, end: 2)
        }
        #expect(tiling().limit == .pixels)
        for picture in Self.sizes {
            for budget in Self.budgets {
                let chosen = try #require(tiling().limited(to: budget, for: picture))
                let pixels = try #require(chosen.limits.mostPixels)
                #expect(tiling(pixels).plan(picture) == chosen.tiling.plan(picture))
                let count = candidates(chosen.tiling, picture)
                // The processor gives a long picture at least a line of cells.
                let fewest = candidates(tiling(1), picture)
                #expect(count <= max(budget, fewest))
                #expect(
                    count == candidates(tiling(), picture)
                        || candidates(tiling(pixels + 1), picture) > budget)
            }
        }
        // 9 × 7 cells; a limit of 64 cells' pixels would give 9 × 6.
        let picture = PixelSize(width: 640, height: 480)
        let chosen = try #require(tiling().limited(to: 64, for: picture))
        #expect(candidates(chosen.tiling, picture) == 63)
    }

    /// Budgets of no more than one tile's patches are measured as one tile.
    @Test func reductionsAreMeasuredBesideBudgets() throws {
        func names(_ model: TinyModel, _ budgets: [KeepBudget]) throws -> [String] {
            let encoder = try TinyPair(model).load().pictureEncoder
            return PictureReduction.all(beside: budgets, for: encoder).map { "\($0)" }
        }
        let budgets: [KeepBudget] = [.count(64), .automatic, .percent(25), .count(4)]
        #expect(try names(.oneVision, budgets) == ["one-tile", "64", "25.0%"])
        #expect(try names(.oneVision, [.count(5)]) == ["one-tile", "5"])
        #expect(try names(.qwen3VL, budgets) == ["64", "25.0%", "4"])
        #expect(try names(TinyModel(), budgets) == [])
    }

    @Test func picturesOfOneSizeHaveNoLimit() throws {
        for layout in [TileLayout.padToSquare, .centerCrop, .paddedLine, .stretchedLine] {
            let tiling = try LLaVATilesTests.tiles(side: 336, layout: layout)
            #expect(tiling.limit == nil && tiling.limited(to: 9, for: Self.sizes[0]) == nil)
        }
    }
}
