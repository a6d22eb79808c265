// SPDX-License-Identifier: Apache-2.0
import Imaging

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
