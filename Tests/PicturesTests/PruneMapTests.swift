// SPDX-License-Identifier: Apache-2.0
import Imaging
import TestSupport
import Testing

@testable import Pictures

@Suite struct PruneMapTests {
    /// Draws every picture at its own size.
    static let unscaled = {
        var options = PruneMap.Options()
        options.patchSide = 1
        options.longestSide = 100_000
        return options
    }()

    /// The expected map of one grid, pixel by pixel.
    private func expected(
        _ picture: Picture, _ rectangles: [PixelRectangle], kept: Set<Int>, lineWidth: Int
    ) -> [UInt8] {
        let options = Self.unscaled
        let line = [options.outline.red, options.outline.green, options.outline.blue]
        var pixels: [UInt8] = []
        for y in 0..<picture.height {
            for x in 0..<picture.width {
                let start = (y * picture.width + x) * 3
                let pixel = Array(picture.pixels[start..<start + 3])
                let owner = rectangles.firstIndex {
                    $0.columns.contains(x) && $0.rows.contains(y)
                }
                guard let owner else {
                    let gray = pixel.reduce(0) { $0 + Int($1) } / 3
                    let dark = UInt8((Double(gray) * options.unseenBrightness).rounded())
                    pixels += [dark, dark, dark]
                    continue
                }
                if !kept.contains(owner) {
                    pixels += pixel.map { UInt8((Double($0) * 0.3).rounded()) }
                    continue
                }
                // Between two kept patches, half a line belongs to the right or lower one.
                func isOnLine(_ distance: Int, neighbor: (Int, Int), ifKept: Int) -> Bool {
                    let isShared = rectangles.indices.contains { other in
                        kept.contains(other)
                            && rectangles[other].columns.contains(neighbor.0)
                            && rectangles[other].rows.contains(neighbor.1)
                    }
                    return distance < (isShared ? ifKept : lineWidth)
                }
                let (columns, rows) = (rectangles[owner].columns, rectangles[owner].rows)
                let half = max(lineWidth / 2, 1)
                let isLine =
                    isOnLine(
                        x - columns.lowerBound, neighbor: (columns.lowerBound - 1, y), ifKept: half)
                    || isOnLine(
                        columns.upperBound - 1 - x, neighbor: (columns.upperBound, y), ifKept: 0)
                    || isOnLine(
                        y - rows.lowerBound, neighbor: (x, rows.lowerBound - 1), ifKept: half)
                    || isOnLine(
                        rows.upperBound - 1 - y, neighbor: (x, rows.upperBound), ifKept: 0)
                pixels += isLine ? line : pixel
            }
        }
        return pixels
    }

    @Test(arguments: [
        (TileLayout.padToSquare, 97, 61), (.padToSquare, 33, 101), (.centerCrop, 131, 64),
        (.centerCrop, 71, 163), (.padToSquare, 200, 150),
    ])
    func dimsAndOutlines(layout: TileLayout, width: Int, height: Int) throws {
        let picture = noise(width: width, height: height)
        let regions = try smallTiles(layout).regions(of: picture.size)
        // 5 lies in the middle of every picture here, 15 in a corner, that may be padding.
        for kept in [[], [5], [0, 5, 6, 9, 15], Array(0..<16)] {
            let map = try PruneMap.draw(
                picture, regions: regions, kept: kept, options: Self.unscaled)
            #expect(map.size == picture.size)
            let side = Double(layout == .centerCrop ? min(width, height) : max(width, height)) / 4
            let pixels = expected(
                picture, regions.rectangles, kept: Set(kept),
                lineWidth: max(Int((side / 16).rounded()), 1))
            #expect(Array(map.pixels) == pixels)
        }
    }

    @Test(arguments: [(80, 60, false), (61, 100, false), (100, 40, true)])
    func drawsBaseAndGrid(width: Int, height: Int, isStacked: Bool) throws {
        let layout = TileLayout.anyres(pinpoints: PatchRegionsTests.square)
        let picture = noise(width: width, height: height)
        let regions = try smallTiles(layout).regions(of: picture.size)
        let kept = [1, 7, 15, 16, 30, regions.count - 1]
        let map = try PruneMap.draw(picture, regions: regions, kept: kept, options: Self.unscaled)
        let gap = 2
        #expect(map.width == (isStacked ? width : width * 2 + gap))
        #expect(map.height == (isStacked ? height * 2 + gap : height))
        let base = expected(
            picture, Array(regions.rectangles.prefix(16)), kept: [1, 7, 15], lineWidth: 1)
        let grid = expected(
            picture, Array(regions.rectangles.dropFirst(16)),
            kept: [0, 14, regions.count - 17], lineWidth: 1)
        let white = [UInt8](repeating: 255, count: gap * 3 * (isStacked ? width : 1))
        if isStacked {
            #expect(Array(map.pixels) == base + white + grid)
        } else {
            let rows = (0..<height).flatMap { row in
                let samples = row * width * 3..<(row + 1) * width * 3
                return base[samples] + white + grid[samples]
            }
            #expect(Array(map.pixels) == rows)
        }
    }

    @Test(arguments: [
        // picture, map: shrunk to 1600, as it is, enlarged until a patch has 16 pixels.
        (4000, 3000, 1600, 1200), (300, 1601, 300, 1600), (640, 480, 640, 480),
        (192, 100, 384, 200), (1, 1, 384, 384),
    ])
    func scales(width: Int, height: Int, mapWidth: Int, mapHeight: Int) throws {
        let picture = Picture(
            width: width, height: height,
            pixels: [UInt8](repeating: 200, count: width * height * 3))
        let tiling = try TileGeometryTests.tiles(.padToSquare)
        let regions = tiling.regions(of: picture.size)
        let map = try PruneMap.draw(picture, regions: regions, kept: [300])
        #expect(map.size == PixelSize(width: mapWidth, height: mapHeight))
        // Row 12, column 12 of 24×24 lies right of and below the middle.
        let side = max(mapWidth, mapHeight)
        let line = max(Int((Double(side) / 24 / 16).rounded()), 1)
        let (x, y) = (mapWidth / 2 + line + 1, mapHeight / 2 + line + 1)
        #expect(
            Array(map.pixels[(y * mapWidth + x) * 3..<(y * mapWidth + x) * 3 + 3])
                == [200, 200, 200])
        #expect(Array(map.pixels.prefix(3)) == [60, 60, 60])
        let outlined = stride(from: 0, to: map.pixels.count, by: 3).count {
            map.pixels[$0] == 0 && map.pixels[$0 + 1] == 255
        }
        let inside = (side / 24 - 2 * line) * (side / 24 - 2 * line)
        #expect(outlined > 0 && abs(outlined + inside - side * side / 576) <= side / 6)
    }

    @Test(arguments: [(1, 6000), (6000, 1), (4000, 100), (3, 2000)])
    func extremeShapesStayBounded(width: Int, height: Int) throws {
        let picture = noise(width: width, height: height)
        for layout in [
            TileLayout.padToSquare, .centerCrop, .anyres(pinpoints: TileGeometryTests.pinpoints),
        ] {
            let tiling = try TileGeometryTests.tiles(layout)
            let regions = tiling.regions(of: picture.size)
            let map = try PruneMap.draw(picture, regions: regions, kept: Array(0..<regions.count))
            #expect(max(map.width, map.height) <= 8192)
        }
    }
}
