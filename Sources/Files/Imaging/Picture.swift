// SPDX-License-Identifier: Apache-2.0

/// A picture in memory: 8 bits for each of red, green and blue.
public struct Picture: Sendable, Equatable {
    /// Pixels per row, at least 1.
    public let width: Int
    /// Rows, at least 1.
    public let height: Int
    /// Samples from the top left, row by row: `[height, width, 3]`.
    public let pixels: [UInt8]

    /// Wraps samples that lie row by row, red, green, blue.
    ///
    /// - Precondition: both sides are positive and `pixels` holds `height · width · 3` samples.
    public init(width: Int, height: Int, pixels: [UInt8]) {
        precondition(width > 0 && height > 0, "a picture has at least one pixel")
        precondition(pixels.count == width * height * 3, "a picture has three samples per pixel")
        self.width = width
        self.height = height
        self.pixels = pixels
    }

    /// The size in pixels.
    public var size: PixelSize { PixelSize(width: width, height: height) }
}

/// A width and a height in pixels.
public struct PixelSize: Sendable, Hashable, CustomStringConvertible {
    /// Pixels per row.
    public let width: Int
    /// Rows.
    public let height: Int

    /// A size of `width` columns and `height` rows.
    public init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }

    /// Width and height as people write them, `640×480`.
    public var description: String { "\(width)×\(height)" }
}
