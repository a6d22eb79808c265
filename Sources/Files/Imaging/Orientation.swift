// SPDX-License-Identifier: Apache-2.0

/// How a stored picture must be turned to be upright (EXIF 2.3, tag 0x0112).
enum Orientation: Int, CaseIterable {
    case upright = 1
    case mirrored
    case upsideDown
    case flipped
    case transposed
    case turnedLeft
    case transposedUpsideDown
    case turnedRight

    /// The orientation in a picture's metadata, found as Pillow's `ImageOps.exif_transpose` does: in the EXIF data
    /// or, if these lack the tag, in the XMP document.
    init(exif: [UInt8]?, xmp: [UInt8]?) {
        let stored = exif.flatMap { ExifData($0)?.orientation } ?? xmp.flatMap(Self.number(inXMP:))
        self = stored.flatMap(Orientation.init(rawValue:)) ?? .upright
    }

    /// The digit after `tiff:Orientation="` (an attribute) or `tiff:Orientation>` (an element).
    private static func number(inXMP document: [UInt8]) -> Int? {
        let name = Array("tiff:Orientation".utf8)
        var rest = document[...]
        while let found = rest.firstRange(of: name) {
            rest = rest[found.upperBound...]
            for separator in ["=\"", ">"] where rest.starts(with: separator.utf8) {
                let digit = rest.dropFirst(separator.utf8.count).first
                if let digit, (48...57).contains(digit) { return Int(digit) - 48 }
            }
        }
        return nil
    }

    /// Whether turning swaps width and height.
    var swapsSides: Bool { rawValue >= Orientation.transposed.rawValue }
}

extension Picture {
    /// Turns a picture that is stored in some orientation upright.
    ///
    /// - Parameter name: the picture's name in errors.
    /// - Throws: `ImagingError.noMemory`.
    func turned(_ orientation: Orientation, name: String) throws(ImagingError) -> Picture {
        guard orientation != .upright else { return self }
        // Where the top left pixel is stored, and the distances of its right and its lower neighbour.
        let (origin, right, down): (Int, Int, Int) =
            switch orientation {
            case .upright: (0, 1, width)
            case .mirrored: (width - 1, -1, width)
            case .upsideDown: (width * height - 1, -1, -width)
            case .flipped: (width * (height - 1), 1, -width)
            case .transposed: (0, width, 1)
            case .turnedLeft: (width * (height - 1), -width, 1)
            case .transposedUpsideDown: (width * height - 1, -width, -1)
            case .turnedRight: (width - 1, width, -1)
            }
        let size =
            orientation.swapsSides
            ? PixelSize(width: height, height: width) : PixelSize(width: width, height: height)
        return try Picture(size, name: name) { turned in
            pixels.withUnsafeBufferPointer { pixels in
                for y in 0..<size.height {
                    for x in 0..<size.width {
                        let stored = (origin + x * right + y * down) * 3
                        let pixel = (y * size.width + x) * 3
                        turned[pixel] = pixels[stored]
                        turned[pixel + 1] = pixels[stored + 1]
                        turned[pixel + 2] = pixels[stored + 2]
                    }
                }
            }
        }
    }
}
