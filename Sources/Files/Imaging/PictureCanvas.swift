// SPDX-License-Identifier: Apache-2.0

/// Red, green and blue, 8 bits each.
public struct PixelColor: Sendable, Hashable {
    /// From 0 to 255.
    public let red, green, blue: UInt8

    /// A colour of three samples.
    public init(red: UInt8, green: UInt8, blue: UInt8) {
        (self.red, self.green, self.blue) = (red, green, blue)
    }
}

/// How thick the lines along a rectangle's edges are, in pixels.
struct EdgeWidths {
    var left, top, right, bottom: Int
}

/// A picture that is being drawn.
struct PictureCanvas {
    let size: PixelSize
    private var pixels: [UInt8]  // [height, width, 3]

    /// A canvas of one colour.
    init(size: PixelSize, color: PixelColor) {
        self.size = size
        pixels = []
        pixels.reserveCapacity(size.width * size.height * 3)
        for _ in 0..<size.width * size.height {
            pixels.append(color.red)
            pixels.append(color.green)
            pixels.append(color.blue)
        }
    }

    /// What was drawn.
    var picture: Picture { Picture(width: size.width, height: size.height, pixels: pixels) }

    /// Copies a whole picture, its top left pixel to a place where it fits.
    mutating func copy(_ picture: Picture, left: Int, top: Int) {
        let length = picture.width * 3
        for row in 0..<picture.height {
            let start = ((top + row) * size.width + left) * 3
            pixels.replaceSubrange(
                start..<start + length, with: picture.pixels[row * length..<(row + 1) * length])
        }
    }

    /// Copies a rectangle of a picture of the canvas's size to the same place, darker or not.
    mutating func copy(_ rectangle: PixelRectangle, of picture: Picture, brightness: Double) {
        let samples = Self.samples(brightness: brightness)
        for row in rectangle.rows {
            let start = (row * size.width + rectangle.columns.lowerBound) * 3
            for index in start..<start + rectangle.columns.count * 3 {
                pixels[index] = samples[Int(picture.pixels[index])]
            }
        }
    }

    /// Copies a picture of the canvas's size without its colours: red, green and blue are their mean.
    mutating func copyGray(of picture: Picture, brightness: Double) {
        let samples = Self.samples(brightness: brightness)
        for pixel in stride(from: 0, to: pixels.count, by: 3) {
            let sum = picture.pixels[pixel..<pixel + 3].reduce(0) { $0 + Int($1) }
            for channel in 0..<3 { pixels[pixel + channel] = samples[sum / 3] }
        }
    }

    /// Draws lines along the inner edges of a rectangle, over all of it where it is too narrow for them.
    mutating func outline(_ rectangle: PixelRectangle, _ widths: EdgeWidths, color: PixelColor) {
        let (columns, rows) = (rectangle.columns, rectangle.rows)
        fill(PixelRectangle(columns: columns, rows: rows.prefix(widths.top)), color)
        fill(PixelRectangle(columns: columns, rows: rows.suffix(widths.bottom)), color)
        fill(PixelRectangle(columns: columns.prefix(widths.left), rows: rows), color)
        fill(PixelRectangle(columns: columns.suffix(widths.right), rows: rows), color)
    }

    private mutating func fill(_ rectangle: PixelRectangle, _ color: PixelColor) {
        for row in rectangle.rows {
            for column in rectangle.columns {
                let pixel = (row * size.width + column) * 3
                pixels[pixel] = color.red
                pixels[pixel + 1] = color.green
                pixels[pixel + 2] = color.blue
            }
        }
    }

    /// Every sample at some brightness.
    private static func samples(brightness: Double) -> [UInt8] {
        (0..<256).map { UInt8((Double($0) * min(max(brightness, 0), 1)).rounded()) }
    }
}
