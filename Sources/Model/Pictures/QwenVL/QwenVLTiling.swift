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
        let cellPixels = config.cellSide * config.cellSide
        cellSide = config.cellSide
        self.mostPixels = max(cellPixels, min(mostPixels ?? .max, config.mostPixels))
        fewestPixels = min(config.fewestPixels, self.mostPixels)
        (self.start, self.end) = (start, end)
        normalisation = PixelNormalisation(mean: config.mean, deviation: config.deviation)
        largestPlans = [
            Self.plan(columns: self.mostPixels / cellPixels, rows: 1, start: start, end: end)
        ]
    }

    package var description: String { "qwenvl \(cellSide) \(fewestPixels) \(mostPixels)" }

    /// The size of the resized picture.
    ///
    /// In double precision and with halves rounded to even numbers, as the processor computes.
    func resized(_ picture: PixelSize) -> PixelSize {
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

    package func plan(_ picture: PixelSize) -> PicturePlan {
        let size = resized(picture)
        return Self.plan(
            columns: size.width / cellSide, rows: size.height / cellSide, start: start, end: end)
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
