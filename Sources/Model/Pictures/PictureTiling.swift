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

/// A user's choice of how pictures are cut, where a family has one.
package struct TilingOptions: Sendable, Equatable {
    /// Take the middle square, as Hugging Face's processor does by default for LLaVA-1.5.
    package var crop = false
    /// The most tiles of a picture; nil for as many as the model was trained on.
    ///
    /// A family's smallest grid is always allowed.
    package var mostTiles: Int?
    /// Whether the picture comes with others in one question, which LLaVA-OneVision sees in less detail.
    package var isAmongSeveral = false

    package init(crop: Bool = false, mostTiles: Int? = nil, isAmongSeveral: Bool = false) {
        (self.crop, self.mostTiles) = (crop, mostTiles)
        self.isAmongSeveral = isAmongSeveral
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
    ///   - tile: where the tile goes among those of `pixels`, `[tiles, 3, side, side]`.
    func write(
        _ picture: Picture, column: Int, row: Int, side: Int, to pixels: SampleBuffer<Float>,
        tile: Int
    ) {
        var next = tile * 3 * side * side
        let numbers = pixels.numbers
        picture.pixels.withUnsafeBufferPointer { source in
            table.withUnsafeBufferPointer { table in
                for channel in 0..<3 {
                    for y in row * side..<(row + 1) * side {
                        let line = (y * picture.width + column * side) * 3 + channel
                        for x in 0..<side {
                            numbers[next] = table[channel * 256 + Int(source[line + 3 * x])]
                            next += 1
                        }
                    }
                }
            }
        }
    }
}
