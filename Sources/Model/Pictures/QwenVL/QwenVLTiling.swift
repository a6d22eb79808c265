// SPDX-License-Identifier: Apache-2.0
import Imaging
import TensorOps

/// How a Qwen-VL sees a picture: stretched to whole cells, within limits on its pixels, as one tile (`smart_resize` of
/// transformers' `image_processing_qwen2_vl.py`).
package struct QwenVLTiling: PictureTiling {
    /// Pixels along a side of a cell.
    let cellSide: Int
    /// The fewest pixels of a resized picture.
    let fewestPixels: Int
    /// The most pixels of a resized picture.
    let mostPixels: Int
    /// The tokens before and after a picture.
    private let (start, end): (Int32, Int32)
    private let normalisation: PixelNormalisation
    /// One line of as many cells as any picture has.
    package let largestPlans: [PicturePlan]

    /// - Parameter mostPixels: the user's limit; nil for the model's.
    package init(_ config: QwenVLConfig, mostPixels: Int?, start: Int32, end: Int32) {
        self.init(
            cellSide: config.cellSide, fewestPixels: config.fewestPixels,
            mostPixels: min(mostPixels ?? .max, config.mostPixels), start: start, end: end,
            PixelNormalisation(mean: config.mean, deviation: config.deviation))
    }

    /// - Parameter mostPixels: less than a cell counts as one, and a larger `fewestPixels` as this.
    private init(
        cellSide: Int, fewestPixels: Int, mostPixels: Int, start: Int32, end: Int32,
        _ normalisation: PixelNormalisation
    ) {
        let cellPixels = cellSide * cellSide
        self.cellSide = cellSide
        self.mostPixels = max(cellPixels, mostPixels)
        self.fewestPixels = min(fewestPixels, self.mostPixels)
        (self.start, self.end) = (start, end)
        self.normalisation = normalisation
        largestPlans = [
            Self.plan(columns: self.mostPixels / cellPixels, rows: 1, start: start, end: end)
        ]
    }

    package var description: String { "qwenvl \(cellSide) \(fewestPixels) \(mostPixels)" }

    /// The size of the resized picture.
    ///
    /// In double precision and with halves rounded to even numbers, as the processor computes.
    func resized(_ picture: PixelSize) -> PixelSize {
        resized(picture, fewestPixels: fewestPixels, mostPixels: mostPixels)
    }

    private func resized(
        _ picture: PixelSize, fewestPixels: Int, mostPixels: Int
    ) -> PixelSize {
        let (width, height) = (Double(picture.width), Double(picture.height))
        let cell = Double(cellSide)
        func whole(_ length: Double, _ rule: FloatingPointRoundingRule) -> Int {
            Int((length / cell).rounded(rule)) * cellSide
        }
        let near = PixelSize(
            width: whole(width, .toNearestOrEven), height: whole(height, .toNearestOrEven))
        let pixels = near.width * near.height
        if pixels > mostPixels {
            let scale = (width * height / Double(mostPixels)).squareRoot()
            return PixelSize(
                width: max(cellSide, whole(width / scale, .down)),
                height: max(cellSide, whole(height / scale, .down)))
        }
        if pixels < fewestPixels {
            let scale = (Double(fewestPixels) / (width * height)).squareRoot()
            return PixelSize(
                width: whole(width * scale, .up), height: whole(height * scale, .up))
        }
        return near
    }

    package var limit: PictureLimit? { .pixels }

    /// The largest limit whose picture has no more cells, so that no cell is left unused.
    package func limited(to candidates: Int, for picture: PixelSize) -> LimitedTiling? {
        func cells(_ mostPixels: Int) -> Int {
            let size = resized(
                picture, fewestPixels: min(fewestPixels, mostPixels), mostPixels: mostPixels)
            return size.width / cellSide * (size.height / cellSide)
        }
        guard cells(mostPixels) > candidates else {
            return LimitedTiling(tiling: self, limits: VisionLimits(mostPixels: mostPixels))
        }
        // A single cell, which any picture may have, and a limit that is too large.
        var (fits, exceeds) = (cellSide * cellSide, mostPixels)
        while exceeds - fits > 1 {
            let middle = fits + (exceeds - fits) / 2
            if cells(middle) > candidates { exceeds = middle } else { fits = middle }
        }
        return LimitedTiling(
            tiling: QwenVLTiling(
                cellSide: cellSide, fewestPixels: fewestPixels, mostPixels: fits, start: start,
                end: end, normalisation),
            limits: VisionLimits(mostPixels: fits))
    }

    package func plan(_ picture: PixelSize) -> PicturePlan {
        let size = resized(picture)
        var plan = Self.plan(
            columns: size.width / cellSide, rows: size.height / cellSide, start: start, end: end)
        let unlimited = resized(picture, fewestPixels: fewestPixels, mostPixels: .max)
        plan.seenSize = size == unlimited ? nil : size
        return plan
    }

    private static func plan(columns: Int, rows: Int, start: Int32, end: Int32) -> PicturePlan {
        let tile = PicturePlan.Tile(columns: columns, rows: rows)
        let cells = 1..<1 + tile.cellCount
        var plan = PicturePlan(tiles: [tile])
        plan.append([.token(start)], besideCellsIn: cells)
        plan.append((0..<tile.cellCount).map { .cell(tile: 0, index: $0) })
        plan.append([.token(end)], besideCellsIn: cells)
        // Cells come after the start at one time, and what follows comes after the last row and column.
        let after = 1 + max(columns, rows)
        let places = (0..<tile.cellCount).map { cell in
            Position(
                time: 1, row: Int32(1 + cell / columns), column: Int32(1 + cell % columns))
        }
        plan.place(rows: [0] + places + [Position(after)], span: after + 1)
        return plan
    }

    package func regions(of picture: PixelSize) -> PatchRegions {
        let size = resized(picture)
        func axis(_ length: Int, resized: Int) -> TileAxis {
            .centered(length, resized: resized, in: resized)
        }
        func pixels(_ length: Int) -> [Range<Int>] {
            stride(from: 0, to: length, by: cellSide).map { $0..<$0 + cellSide }
        }
        return PatchRegions(
            picture: picture,
            grids: [
                PatchGrid(
                    placement: TilePlacement(
                        horizontal: axis(picture.width, resized: size.width),
                        vertical: axis(picture.height, resized: size.height)),
                    columns: pixels(size.width), rows: pixels(size.height))
            ])
    }

    package func tiles(of picture: Picture) throws(ImagingError) -> TileBatch {
        let size = resized(picture.size)
        let pixels = try SampleBuffer<Float>(
            count: 3 * size.width * size.height, name: picture.size.pictureName)
        normalisation.write(
            try picture.resized(width: size.width, height: size.height), column: 0, row: 0,
            tileSize: size, to: pixels, tile: 0)
        return TileBatch(plan: plan(picture.size), size: size, pixels: Samples(pixels))
    }
}
