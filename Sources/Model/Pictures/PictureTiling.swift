// SPDX-License-Identifier: Apache-2.0
import Imaging

/// How pictures of a family become square tiles, and the rows that stand for them.
package protocol PictureTiling: Sendable {
    /// Equal for rules that cut equal tiles.
    var description: String { get }
    /// Plans that no other exceeds, neither in candidates nor in other rows.
    var largestPlans: [PicturePlan] { get }
    /// What a picture of this size becomes.
    ///
    /// - Precondition: both sides are positive.
    func plan(_ picture: PixelSize) -> PicturePlan
    /// What each candidate sees of a picture of this size.
    func regions(of picture: PixelSize) -> PatchRegions
    /// The tiles of a picture.
    ///
    /// - Throws: `ImagingError.noMemory`.
    func tiles(of picture: Picture) throws(ImagingError) -> TileBatch
}

/// An encoder whose pictures are cut by one of its family's rules.
package protocol TilingEncoder: PictureEncoder {
    /// How pictures become tiles.
    var tiling: any PictureTiling { get }
    /// The same encoder for pictures that are cut otherwise.
    func cutting(_ tiling: any PictureTiling) -> Self
}

extension TilingEncoder {
    package var tilingDescription: String { tiling.description }
    package var largestPlans: [PicturePlan] { tiling.largestPlans }
    package func plan(_ picture: PixelSize) -> PicturePlan { tiling.plan(picture) }
    package func regions(of picture: PixelSize) -> PatchRegions { tiling.regions(of: picture) }
    package func tiles(of picture: Picture) throws(ImagingError) -> TileBatch {
        try tiling.tiles(of: picture)
    }
}

/// A user's choice of how pictures are cut, where a family has one.
package struct TilingOptions: Sendable, Equatable {
    /// Take the middle square, as Hugging Face's processor does by default for LLaVA-1.5.
    package var crop = false
    /// The most tiles of a picture; nil for as many as the model was trained on.
    ///
    /// A family's smallest grid is always allowed.
    package var mostTiles: Int?
    /// The most pixels of a picture that is not cut into tiles of one size; nil for the model's limit.
    package var mostPixels: Int?
    /// Whether the picture comes with others in one question, which LLaVA-OneVision sees in less detail.
    package var isAmongSeveral = false

    package init(
        crop: Bool = false, _ limits: VisionLimits = VisionLimits(), isAmongSeveral: Bool = false
    ) {
        (mostTiles, mostPixels) = (limits.mostTiles, limits.mostPixels)
        (self.crop, self.isAmongSeveral) = (crop, isAmongSeveral)
    }
}

/// A user's limits on how much of a picture a model sees: less is faster, and shows less detail.
public struct VisionLimits: Sendable, Equatable {
    /// The most tiles that a picture is cut into, where a model cuts pictures into tiles of one size.
    ///
    /// Nil for as many as the model was trained on. A model's smallest grid is always allowed.
    public var mostTiles: Int?
    /// The most pixels of a picture, where a model sees pictures of any size; nil for the model's own limit.
    public var mostPixels: Int?

    /// The model's own limits, unless given.
    public init(mostTiles: Int? = nil, mostPixels: Int? = nil) {
        (self.mostTiles, self.mostPixels) = (mostTiles, mostPixels)
    }
}

/// Turns bytes of pictures into the numbers that a vision tower reads, as transformers' processors do.
struct PixelNormalisation: Sendable {
    /// The normalised value of each byte: `[3, 256]`.
    private let table: [Float]

    /// Subtracts `mean` from colours in the range 0 to 1 and divides by `deviation`.
    init(mean: [Float], deviation: [Float]) {
        // The processors multiply by 1/255 in double precision and continue in single precision.
        table = (0..<3).flatMap { channel in
            (0..<256).map { (Float(Double($0) * (1 / 255.0)) - mean[channel]) / deviation[channel] }
        }
    }

    /// Writes one tile of a picture whose sides are multiples of the tile's.
    ///
    /// - Parameters:
    ///   - column: the tile's place among those side by side.
    ///   - row: the tile's place among those one below the other.
    ///   - tile: where the tile goes among those of `pixels`, `[tiles, 3, height, width]`.
    func write(
        _ picture: Picture, column: Int, row: Int, tileSize: PixelSize,
        to pixels: SampleBuffer<Float>, tile: Int
    ) {
        let (width, height) = (tileSize.width, tileSize.height)
        var next = tile * 3 * width * height
        let numbers = pixels.numbers
        picture.pixels.withUnsafeBufferPointer { source in
            table.withUnsafeBufferPointer { table in
                for channel in 0..<3 {
                    for y in row * height..<(row + 1) * height {
                        let line = (y * picture.width + column * width) * 3 + channel
                        for x in 0..<width {
                            numbers[next] = table[channel * 256 + Int(source[line + 3 * x])]
                            next += 1
                        }
                    }
                }
            }
        }
    }
}

/// Runs `body` and adds the seconds it took to `total`.
func measure<Result, Failure>(
    _ total: inout Double, _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
    let start = ContinuousClock.now
    defer { total += (ContinuousClock.now - start) / .seconds(1) }
    return try body()
}
