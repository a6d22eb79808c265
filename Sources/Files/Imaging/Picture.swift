// SPDX-License-Identifier: Apache-2.0

/// A picture in memory: 8 bits for each of red, green and blue.
public struct Picture: Sendable, Equatable {
    /// Pixels per row, at least 1.
    public let width: Int
    /// Rows, at least 1.
    public let height: Int
    /// Samples from the top left, row by row: `[height, width, 3]`.
    public let pixels: Samples<UInt8>

    /// Copies samples that lie row by row, red, green, blue.
    ///
    /// - Precondition: both sides are positive, `pixels` holds `height · width · 3` samples, and there is memory
    ///   for a copy of them.
    public init(width: Int, height: Int, pixels: [UInt8]) {
        precondition(pixels.count == width * height * 3, "a picture has three samples per pixel")
        let size = PixelSize(width: width, height: height)
        do {
            try self.init(size, name: "a copy") { buffer in
                _ = buffer.update(fromContentsOf: pixels)
            }
        } catch {
            preconditionFailure("\(error)")
        }
    }

    /// A picture whose samples `fill` writes in place.
    ///
    /// - Parameters:
    ///   - name: the picture's name in errors.
    ///   - fill: writes all `width · height · 3` samples.
    /// - Precondition: both sides are positive.
    init(
        _ size: PixelSize, name: @autoclosure () -> String,
        fill: (UnsafeMutableBufferPointer<UInt8>) throws(ImagingError) -> Void
    ) throws(ImagingError) {
        let buffer = try SampleBuffer<UInt8>(count: size.width * size.height * 3, name: name())
        try fill(buffer.numbers)
        self.init(size, buffer)
    }

    /// A picture of complete samples.
    init(_ size: PixelSize, _ samples: SampleBuffer<UInt8>) {
        precondition(size.width > 0 && size.height > 0, "a picture has at least one pixel")
        precondition(samples.numbers.count == size.width * size.height * 3)
        (width, height) = (size.width, size.height)
        pixels = Samples(samples)
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

    /// The name in errors of a picture without a name of its own.
    package var pictureName: String { "the picture of \(self) pixels" }

    /// Width and height as people write them, `640×480`.
    public var description: String { "\(width)×\(height)" }
}
