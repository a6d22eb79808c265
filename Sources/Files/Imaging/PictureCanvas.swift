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

/// A rectangle of pixels; no pixel when one of the ranges is empty.
public struct PixelRectangle: Sendable, Hashable {
    /// Pixels of each row, from the left.
    public let columns: Range<Int>
    /// Rows, from the top.
    public let rows: Range<Int>

    /// The pixels in the given columns and rows.
    public init(columns: Range<Int>, rows: Range<Int>) {
        self.columns = columns
        self.rows = rows
    }

    /// Whether the rectangle contains no pixel.
    public var isEmpty: Bool { columns.isEmpty || rows.isEmpty }
}

/// The thickness of the lines along a rectangle's edges, in pixels.
package struct EdgeWidths {
    let left, top, right, bottom: Int

    package init(left: Int, top: Int, right: Int, bottom: Int) {
        (self.left, self.top, self.right, self.bottom) = (left, top, right, bottom)
    }
}

/// A picture that is being drawn.
package struct PictureCanvas: ~Copyable {
    package let size: PixelSize
    private let samples: SampleBuffer<UInt8>
    private var pixels: UnsafeMutableBufferPointer<UInt8> { samples.numbers }  // [height, width, 3]

    /// A canvas of one colour.
    package init(size: PixelSize, color: PixelColor) throws(ImagingError) {
        self.size = size
        samples = try SampleBuffer(
            count: size.width * size.height * 3, name: size.pictureName)
        for pixel in stride(from: 0, to: samples.numbers.count, by: 3) {
            samples.numbers[pixel] = color.red
            samples.numbers[pixel + 1] = color.green
            samples.numbers[pixel + 2] = color.blue
        }
    }

    /// The drawn picture.
    package consuming func finished() -> Picture { Picture(size, samples) }

    /// Copies a whole picture to a position where it fits.
    package func copy(_ picture: Picture, left: Int, top: Int) {
        let length = picture.width * 3
        picture.pixels.withUnsafeBufferPointer { source in
            for row in 0..<picture.height {
                let start = ((top + row) * size.width + left) * 3
                _ = pixels[start..<start + length]
                    .update(fromContentsOf: source[row * length..<(row + 1) * length])
            }
        }
    }

    /// Copies a rectangle of a picture of the canvas's size to the same place, with the given brightness.
    package func copy(_ rectangle: PixelRectangle, of picture: Picture, brightness: Double) {
        let levels = Self.levels(brightness: brightness)
        picture.pixels.withUnsafeBufferPointer { source in
            for row in rectangle.rows {
                let start = (row * size.width + rectangle.columns.lowerBound) * 3
                for index in start..<start + rectangle.columns.count * 3 {
                    pixels[index] = levels[Int(source[index])]
                }
            }
        }
    }

    /// Copies a picture of the canvas's size in grey: the mean of red, green and blue.
    package func copyGray(of picture: Picture, brightness: Double) {
        let levels = Self.levels(brightness: brightness)
        picture.pixels.withUnsafeBufferPointer { source in
            for pixel in stride(from: 0, to: pixels.count, by: 3) {
                let sum = Int(source[pixel]) + Int(source[pixel + 1]) + Int(source[pixel + 2])
                for channel in 0..<3 { pixels[pixel + channel] = levels[sum / 3] }
            }
        }
    }

    /// Draws lines along the inner edges of a rectangle.
    ///
    /// They fill a rectangle that is too narrow for them.
    package func outline(_ rectangle: PixelRectangle, _ widths: EdgeWidths, color: PixelColor) {
        let (columns, rows) = (rectangle.columns, rectangle.rows)
        fill(PixelRectangle(columns: columns, rows: rows.prefix(widths.top)), color)
        fill(PixelRectangle(columns: columns, rows: rows.suffix(widths.bottom)), color)
        fill(PixelRectangle(columns: columns.prefix(widths.left), rows: rows), color)
        fill(PixelRectangle(columns: columns.suffix(widths.right), rows: rows), color)
    }

    private func fill(_ rectangle: PixelRectangle, _ color: PixelColor) {
        for row in rectangle.rows {
            for column in rectangle.columns {
                let pixel = (row * size.width + column) * 3
                pixels[pixel] = color.red
                pixels[pixel + 1] = color.green
                pixels[pixel + 2] = color.blue
            }
        }
    }

    /// The value of every sample at the given brightness.
    private static func levels(brightness: Double) -> [UInt8] {
        (0..<256).map { UInt8((Double($0) * min(max(brightness, 0), 1)).rounded()) }
    }
}
