// SPDX-License-Identifier: Apache-2.0
import Imaging
import Weights

/// How a picture of any size becomes the square tiles that a vision tower reads.
package enum TileLayout: Sendable, Equatable {
    /// One tile: the picture in the middle of a square of the mean colour (LLaVA-1.5 as trained).
    case padToSquare
    /// The same, with a newline after it (LLaVA-OneVision, for several pictures).
    case paddedLine
    /// One tile that the picture is stretched to, with a newline after it: LLaVA-NeXT's base tile alone.
    case stretchedLine
    /// One tile: the middle square of the picture (Hugging Face's default for LLaVA-1.5).
    case centerCrop
    /// A base tile of the whole picture, and a grid of tiles at the best of some resolutions (LLaVA-NeXT).
    ///
    /// Of equally good resolutions the first wins. LLaVA-OneVision's grids shrink to the patches of `mostGridTiles`
    /// tiles.
    case anyres(pinpoints: [PixelSize], mostGridTiles: Int? = nil)
}

/// How pictures become normalised square tiles, equal to what Hugging Face's processors make for LLaVA.
package struct LLaVATiles: PictureTiling {
    /// Pixels along a side of a tile.
    package let tileSide: Int
    /// Pixels along a side of a patch.
    package let patchSide: Int
    /// How pictures become tiles.
    package private(set) var layout: TileLayout
    /// The colour that pads a picture to a square: the mean, truncated to bytes.
    let padding: [UInt8]
    private let normalisation: PixelNormalisation

    /// The most pixels along a side of a tile or a pinpoint: 4 times what any published LLaVA uses.
    static let maximumSide = 8192

    /// The rule for towers that read tiles of `tileSide` pixels in patches of `patchSide`.
    ///
    /// - Parameters:
    ///   - tileSide: Pixels along a side of a tile, 336 for CLIP ViT-L/14-336.
    ///   - patchSide: Pixels along a side of a patch, at most `tileSide`.
    ///   - mean: Subtracted from red, green and blue in the range 0 to 1.
    ///   - deviation: Divides red, green and blue afterwards.
    ///   - layout: How pictures become tiles. Pinpoints are whole multiples of `tileSide`.
    /// - Throws: `ImagingError.preprocessor` for numbers that are out of range.
    package init(
        tileSide: Int, patchSide: Int, mean: [Float], deviation: [Float], layout: TileLayout
    ) throws(ImagingError) {
        guard (1...Self.maximumSide).contains(tileSide), (1...tileSide).contains(patchSide) else {
            throw .preprocessor(
                reason: "a tile side of \(tileSide) and a patch side of \(patchSide), expected "
                    + "1 ≤ patch side ≤ tile side ≤ \(Self.maximumSide)")
        }
        guard mean.count == 3, mean.allSatisfy({ (0...1).contains($0) }) else {
            throw .preprocessor(reason: "a mean of \(mean), expected 3 numbers from 0 to 1")
        }
        guard deviation.count == 3, deviation.allSatisfy({ $0 > 0 && $0.isFinite }) else {
            throw .preprocessor(reason: "a deviation of \(deviation), expected 3 positive numbers")
        }
        if case .anyres(let pinpoints, _) = layout {
            try Self.check(pinpoints, tileSide: tileSide)
        }
        self.tileSide = tileSide
        self.patchSide = patchSide
        self.layout = layout
        padding = mean.map { UInt8($0 * 255) }
        normalisation = PixelNormalisation(mean: mean, deviation: deviation)
    }

    private static func check(
        _ pinpoints: [PixelSize], tileSide: Int
    ) throws(ImagingError) {
        guard !pinpoints.isEmpty else {
            throw .preprocessor(reason: "no resolution for anyres, expected at least one")
        }
        for pinpoint in pinpoints {
            for side in [pinpoint.width, pinpoint.height] {
                guard (tileSide...maximumSide).contains(side), side % tileSide == 0 else {
                    throw .preprocessor(
                        reason: "an anyres resolution of \(pinpoint), expected multiples of "
                            + "\(tileSide) up to \(maximumSide)")
                }
            }
        }
    }

    package var description: String { "\(layout) \(tileSide) \(patchSide)" }

    package var limit: PictureLimit? {
        if case .anyres = layout { .tiles } else { nil }
    }

    /// The same rule for at most some tiles, the base tile included: with the resolutions that need no more, or with
    /// the base tile alone.
    ///
    /// LLaVA-OneVision was trained on single tiles that are padded, LLaVA-NeXT on base tiles that are stretched.
    ///
    /// - Parameter mostTiles: nil for any number.
    package func limited(toTiles mostTiles: Int?) -> LLaVATiles {
        guard let mostTiles, case .anyres(let pinpoints, let mostGridTiles) = layout else {
            return self
        }
        let left = pinpoints.filter { tileCount($0) <= mostTiles }
        var limited = self
        limited.layout =
            if left.isEmpty {
                mostGridTiles == nil ? .stretchedLine : .paddedLine
            } else {
                .anyres(pinpoints: left, mostGridTiles: mostGridTiles)
            }
        return limited
    }

    private func tileCount(_ pinpoint: PixelSize) -> Int {
        1 + pinpoint.width / tileSide * (pinpoint.height / tileSide)
    }

    package func limited(to candidates: Int, for picture: PixelSize) -> LimitedTiling? {
        guard case .anyres(let pinpoints, _) = layout else { return nil }
        let tilings = Set([1] + pinpoints.map(tileCount)).sorted().map { tiles in
            let tiling = limited(toTiles: tiles)
            let distance = abs(tiling.plan(picture).candidates.count - candidates)
            return (tiles, tiling, distance)
        }
        return tilings.min { $0.2 < $1.2 }.map { tiles, tiling, _ in
            LimitedTiling(tiling: tiling, limits: VisionLimits(mostTiles: tiles))
        }
    }

    package func tiles(of picture: Picture) throws(ImagingError) -> TileBatch {
        let geometry = geometry(of: picture.size)
        let pixels = try SampleBuffer<Float>(
            count: geometry.tileCount * 3 * tileSide * tileSide, name: picture.size.pictureName)
        try writeBaseTile(of: picture, to: pixels, tile: 0)
        if let placement = gridPlacement(on: picture.size) {
            let grid = try joinedGrid(of: picture, placement)
            for row in 0..<geometry.gridRows {
                for column in 0..<geometry.gridColumns {
                    let tile = 1 + row * geometry.gridColumns + column
                    normalisation.write(
                        grid, column: column, row: row, tileSize: tileSize, to: pixels, tile: tile)
                }
            }
        }
        return batch(geometry.plan, pixels)
    }

    private var tileSize: PixelSize { PixelSize(width: tileSide, height: tileSide) }

    /// Tiles of which all pixels are written.
    func batch(_ plan: PicturePlan, _ pixels: SampleBuffer<Float>) -> TileBatch {
        TileBatch(plan: plan, size: tileSize, pixels: Samples(pixels))
    }

    /// Writes the picture as one tile.
    ///
    /// - Throws: `ImagingError.noMemory`.
    func writeBaseTile(
        of picture: Picture, to pixels: SampleBuffer<Float>, tile: Int
    ) throws(ImagingError) {
        normalisation.write(
            try baseTile(of: picture), column: 0, row: 0, tileSize: tileSize, to: pixels, tile: tile
        )
    }

    /// The picture as one tile, padded with the mean colour if the layout pads.
    private func baseTile(of picture: Picture) throws(ImagingError) -> Picture {
        let placement = baseTilePlacement(on: picture.size)
        return try Resampling(
            horizontal: ResamplingAxis(placement.horizontal),
            vertical: ResamplingAxis(placement.vertical), canvas: padding
        ).apply(to: picture)
    }

    /// The picture resized to fit the grid, with its aspect ratio kept, centred on black.
    private func joinedGrid(
        of picture: Picture, _ placement: TilePlacement
    ) throws(ImagingError) -> Picture {
        let (horizontal, vertical) = (placement.horizontal, placement.vertical)
        let fitted = try picture.resized(
            width: horizontal.resizedLength, height: vertical.resizedLength)
        let canvas = try PictureCanvas(
            size: PixelSize(width: horizontal.window.count, height: vertical.window.count),
            color: PixelColor(red: 0, green: 0, blue: 0))
        canvas.copy(
            fitted, left: -horizontal.window.lowerBound, top: -vertical.window.lowerBound)
        return canvas.finished()
    }
}

extension VisionConfig {
    /// How LLaVA cuts pictures for this tower.
    ///
    /// - Throws: `ModelError.invalidValue` for numbers of which `file` has no such tiles.
    package func tiles(_ layout: TileLayout, file: String) throws(ModelError) -> LLaVATiles {
        do {
            return try LLaVATiles(
                tileSide: tileSide, patchSide: patchSide, mean: mean, deviation: deviation,
                layout: layout)
        } catch {
            throw .invalidValue(
                file: file, key: "clip.vision", value: "\(error)",
                expected: "a picture format of LLaVA's")
        }
    }
}
