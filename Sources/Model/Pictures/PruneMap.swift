// SPDX-License-Identifier: Apache-2.0
import Imaging

/// Draws which patches of a picture a selector kept.
public enum PruneMap {
    /// How a map looks.
    public struct Options: Sendable, Equatable {
        /// The brightness of dropped patches, from 0 to 1.
        public var droppedBrightness = 0.3
        /// The brightness, in grey, of the parts that no patch sees, from 0 to 1.
        public var unseenBrightness = 0.12
        /// The line around kept patches.
        public var outline = PixelColor(red: 0, green: 255, blue: 170)
        /// The colour between two copies of the picture.
        public var gap = PixelColor(red: 255, green: 255, blue: 255)
        /// The most pixels along a side of the drawn picture, unless patches would become too small.
        public var longestSide = 1600
        /// The least pixels along a side of a patch; smaller pictures are drawn enlarged.
        public var patchSide = 16

        /// The usual look.
        public init() {}
    }

    /// The picture with dropped patches dimmed and kept ones outlined.
    ///
    /// Models with tiles see a picture twice. One copy shows the patches of the whole picture. A second one, to the right
    /// or below a wide picture, shows those of the tiles.
    ///
    /// - Parameters:
    ///   - picture: The picture that was selected from.
    ///   - regions: Its candidates.
    ///   - kept: The candidates kept, ascending.
    ///   - options: How the map looks.
    /// - Throws: `ImagingError.noMemory`.
    /// - Precondition: `regions` is of this picture's size; `kept` ascends within `0..<regions.count`.
    public static func draw(
        _ picture: Picture, regions: PatchRegions, kept: [Int], options: Options = Options()
    ) throws(ImagingError) -> Picture {
        precondition(regions.picture == picture.size, "regions of another picture")
        precondition(zip(kept, kept.dropFirst()).allSatisfy { $0 < $1 }, "kept must ascend")
        precondition(kept.allSatisfy { (0..<regions.count).contains($0) }, "no such candidate")
        let scale = scale(of: regions, options)
        let size = PixelSize(
            width: max(Int((Double(picture.width) * scale).rounded()), 1),
            height: max(Int((Double(picture.height) * scale).rounded()), 1))
        let shown =
            size == picture.size
            ? picture : try picture.resized(width: size.width, height: size.height)
        var panels: [Picture] = []
        for (grid, kept) in zip(regions.grids, regions.cells(of: kept)) {
            panels.append(
                try panel(
                    shown, grid: grid, kept: Set(kept),
                    lineWidth: lineWidth(smallestPatch(of: regions) * scale), options))
        }
        return try joined(panels, gap: options.gap)
    }

    /// The most pixels along a side of the drawn picture; viewers open larger ones slowly.
    private static let sideLimit = 8192.0

    /// The scale of the drawn picture.
    private static func scale(of regions: PatchRegions, _ options: Options) -> Double {
        let longest = Double(max(regions.picture.width, regions.picture.height))
        let comfortable = min(1, Double(options.longestSide) / longest)
        let legible = Double(options.patchSide) / smallestPatch(of: regions)
        return min(max(comfortable, legible), sideLimit / longest)
    }

    /// The shortest side of a patch in pixels of the picture.
    private static func smallestPatch(of regions: PatchRegions) -> Double {
        regions.grids.reduce(.infinity) { min($0, $1.shortestSide) }
    }

    /// A thin line that grows with the patches: 1 pixel at 16, 2 at 32, 4 at 64.
    private static func lineWidth(_ patchSide: Double) -> Int {
        max(Int((patchSide / 16).rounded()), 1)
    }

    /// One copy of the picture with the patches of one grid on it.
    private static func panel(
        _ picture: Picture, grid: PatchGrid, kept: Set<Int>, lineWidth: Int,
        _ options: Options
    ) throws(ImagingError) -> Picture {
        let canvas = try PictureCanvas(size: picture.size, color: options.gap)
        canvas.copyGray(of: picture, brightness: options.unseenBrightness)
        let rectangles = grid.rectangles(onCopyOf: picture.size)
        let isShown = rectangles.enumerated().map { !$1.isEmpty && kept.contains($0) }
        for (patch, rectangle) in rectangles.enumerated() where !rectangle.isEmpty {
            if isShown[patch] {
                let widths = edgeWidths(
                    of: patch, isShown: isShown, columns: grid.columns.count, lineWidth)
                canvas.copy(rectangle, of: picture, brightness: 1)
                canvas.outline(rectangle, widths, color: options.outline)
            } else {
                canvas.copy(rectangle, of: picture, brightness: options.droppedBrightness)
            }
        }
        return canvas.finished()
    }

    /// The lines of a kept patch: full ones around a group of neighbours, one of half the width
    /// between two of them.
    private static func edgeWidths(
        of patch: Int, isShown: [Bool], columns: Int, _ lineWidth: Int
    ) -> EdgeWidths {
        let (row, column) = patch.quotientAndRemainder(dividingBy: columns)
        let between = max(lineWidth / 2, 1)
        return EdgeWidths(
            left: column > 0 && isShown[patch - 1] ? between : lineWidth,
            top: row > 0 && isShown[patch - columns] ? between : lineWidth,
            right: column + 1 < columns && isShown[patch + 1] ? 0 : lineWidth,
            bottom: patch + columns < isShown.count && isShown[patch + columns] ? 0 : lineWidth)
    }

    /// Copies side by side, or one below the other when they are wider than 3:2.
    private static func joined(_ panels: [Picture], gap: PixelColor) throws(ImagingError) -> Picture
    {
        guard panels.count > 1 else { return panels[0] }
        let panel = panels[0].size
        let distance = max(max(panel.width, panel.height) / 50, 2)
        let isStacked = panel.width * 2 > panel.height * 3
        let right = isStacked ? 0 : panel.width + distance
        let down = isStacked ? panel.height + distance : 0
        let last = panels.count - 1
        let canvas = try PictureCanvas(
            size: PixelSize(
                width: panel.width + last * right, height: panel.height + last * down),
            color: gap)
        for (index, panel) in panels.enumerated() {
            canvas.copy(panel, left: index * right, top: index * down)
        }
        return canvas.finished()
    }
}
