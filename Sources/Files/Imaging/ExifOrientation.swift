// SPDX-License-Identifier: Apache-2.0

/// How a stored picture must be turned to be seen upright (EXIF 2.3, tag 0x0112).
enum ExifOrientation: Int, CaseIterable {
    case upright = 1
    case mirrored
    case upsideDown
    case flipped
    case transposed
    case turnedLeft
    case transposedUpsideDown
    case turnedRight

    /// The orientation that a TIFF structure names, upright when it names none.
    init(exif: ArraySlice<UInt8>) {
        let value = TIFFHeader(exif).flatMap { $0.short(tag: 0x0112) }
        self = value.flatMap(ExifOrientation.init(rawValue:)) ?? .upright
    }

    /// Whether the upright picture is as wide as the stored one is high.
    var swapsSides: Bool { rawValue >= ExifOrientation.transposed.rawValue }
}

extension Picture {
    /// The picture, stored in some orientation, upright.
    func turned(_ orientation: ExifOrientation) -> Picture {
        guard orientation != .upright else { return self }
        // Where the top left pixel is stored, and how far away its right and its lower neighbour are.
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
        let turned = [UInt8](unsafeUninitializedCapacity: pixels.count) { turned, count in
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
            count = pixels.count
        }
        return Picture(width: size.width, height: size.height, pixels: turned)
    }
}

/// The first directory of a TIFF structure, as far as EXIF's orientation needs it.
private struct TIFFHeader {
    let bytes: ArraySlice<UInt8>
    let isBigEndian: Bool

    init?(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        isBigEndian = bytes.starts(with: "MM\0*".utf8)
        guard isBigEndian || bytes.starts(with: "II*\0".utf8) else { return nil }
    }

    /// The value of a tag that holds 16-bit numbers, nil when it is absent or of another type.
    func short(tag: Int) -> Int? {
        guard let directory = number(at: 4, length: 4),
            let count = number(at: directory, length: 2)
        else { return nil }
        for entry in 0..<count {
            let start = directory + 2 + entry * 12
            guard let found = number(at: start, length: 2) else { return nil }
            if found == tag {
                return number(at: start + 2, length: 2) == 3
                    ? number(at: start + 8, length: 2) : nil
            }
        }
        return nil
    }

    /// An unsigned number, nil beyond the end.
    private func number(at offset: Int, length: Int) -> Int? {
        let field = bytes.dropFirst(offset).prefix(length)
        guard field.count == length else { return nil }
        return isBigEndian
            ? field.reduce(0) { $0 << 8 | Int($1) }
            : field.reversed().reduce(0) { $0 << 8 | Int($1) }
    }
}
