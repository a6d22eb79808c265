// SPDX-License-Identifier: Apache-2.0
import Imaging
import TestSupport
import Testing

@testable import Pictures

@Suite struct LLaVATilesTests {
    static let names = PictureFixtures.names(in: "tiles")
        .map { $0.replacing(".npy", with: "") }

    /// The stride of the values that the golden tiles keep, by the side of a tile.
    static let strides = [42: 17, 336: 1009]

    @Test(arguments: names)
    func makesTheTilesOfTransformers(name: String) throws {
        let match = try #require(name.wholeMatch(of: /(\w+)-(\d+)-(\d+)x(\d+)/))
        let (side, width, height) =
            (try #require(Int(match.2)), try #require(Int(match.3)), try #require(Int(match.4)))
        let layout = try #require(Self.layout(String(match.1), side: side))
        let tiling = try Self.tiles(side: side, layout: layout)
        let picture = try samplePhotograph().middle(width: width, height: height)
        let batch = try tiling.tiles(of: picture)
        let stride = try #require(Self.strides[side])
        let samples = Swift.stride(from: 0, to: batch.pixels.count, by: stride)
            .map { batch.pixels[$0] }
        let expected = try NPYArray(fixture: "pictures/tiles/\(name).npy").floats
        #expect(batch.pixels.count == batch.count * 3 * side * side)
        try #require(samples.count == expected.count)
        let difference = zip(samples, expected).map { abs($0 - $1) }.max() ?? 0
        #expect(difference <= 1e-6)
    }

    @Test func coversEveryLayout() {
        #expect(Self.names.count == 33)
    }

    static func tiles(side: Int, layout: TileLayout) throws -> LLaVATiles {
        try LLaVATiles(
            tileSide: side, patchSide: 14, mean: [0.48145466, 0.4578275, 0.40821073],
            deviation: [0.26862954, 0.26130258, 0.27577711], layout: layout)
    }

    static func layout(_ name: String, side: Int) -> TileLayout? {
        switch name {
        case "pad": .padToSquare
        case "crop": .centerCrop
        case "anyres":
            .anyres(
                pinpoints: TileGeometryTests.pinpoints.map {
                    PixelSize(width: $0.width * side / 336, height: $0.height * side / 336)
                })
        default: nil
        }
    }

    static let half: [Float] = [0.5, 0.5, 0.5]

    @Test(arguments: [(0, 14), (-336, 14), (336, 0), (336, 337), (1 << 40, 14)])
    func refusesImpossibleSides(tile: Int, patch: Int) {
        #expect(throws: ImagingError.self) {
            try LLaVATiles(
                tileSide: tile, patchSide: patch, mean: Self.half, deviation: Self.half,
                layout: .padToSquare)
        }
    }

    @Test(arguments: [[], [0.5, 0.5], [0.5, 0.5, .nan], [0.5, 0.5, 1.01], [-0.1, 0.5, 0.5]])
    func refusesImpossibleMeans(mean: [Float]) {
        #expect(throws: ImagingError.self) {
            try LLaVATiles(
                tileSide: 336, patchSide: 14, mean: mean, deviation: Self.half,
                layout: .padToSquare)
        }
    }

    @Test(arguments: [[], [0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, -1], [0.5, .infinity, 0.5]])
    func refusesImpossibleDeviations(deviation: [Float]) {
        #expect(throws: ImagingError.self) {
            try LLaVATiles(
                tileSide: 336, patchSide: 14, mean: Self.half, deviation: deviation,
                layout: .padToSquare)
        }
    }

    @Test(arguments: [
        [], [PixelSize(width: 0, height: 336)], [PixelSize(width: 336, height: -336)],
        [PixelSize(width: 336, height: 336), PixelSize(width: 336, height: 400)],
        [PixelSize(width: 336 << 20, height: 336)],
    ])
    func refusesResolutionsThatAreNoTiles(pinpoints: [PixelSize]) {
        #expect(throws: ImagingError.self) {
            try Self.tiles(side: 336, layout: .anyres(pinpoints: pinpoints))
        }
    }

    /// A canvas for a picture of 100,000 rows would take 30 GB.
    @Test(arguments: ["pad", "crop", "anyres"], [(1, 100_000), (100_000, 1), (1, 1)])
    func takesExtremeShapes(layoutName: String, size: (Int, Int)) throws {
        let layout = try #require(Self.layout(layoutName, side: 42))
        let tiling = try Self.tiles(side: 42, layout: layout)
        let picture = Picture(
            width: size.0, height: size.1, pixels: Array(repeating: 99, count: size.0 * size.1 * 3))
        let batch = try tiling.tiles(of: picture)
        #expect(batch.count == batch.plan.tiles.count)
        #expect(batch.pixels.count == batch.count * 3 * 42 * 42)
    }
}
