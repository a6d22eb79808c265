// SPDX-License-Identifier: Apache-2.0

/// What the segments of a JPEG file tell beside the picture (ITU-T T.81, annex B).
struct JPEGMarkers {
    /// The TIFF structure of the first EXIF segment.
    private(set) var exif: ArraySlice<UInt8>?
    /// Whether an end marker follows the start of the picture data.
    private(set) var hasEnd = false

    /// What may follow 0xFF without being a segment: stuffing, fill, restart and start of the picture.
    private static let bytesBesideMarkers: Set<UInt8> =
        Set([0x00, 0x01, 0xFF] + Array(0xD0...0xD8))
    private static let startOfScan: UInt8 = 0xDA
    private static let endOfImage: UInt8 = 0xD9
    private static let applicationData1: UInt8 = 0xE1
    private static let exifSignature = Array("Exif\0\0".utf8)

    /// Walks the segments before the picture data, then looks for the end.
    init(_ bytes: [UInt8]) {
        var position = 2  // after the start marker
        while position + 4 <= bytes.count {
            let marker = bytes[position + 1]
            // As libjpeg, pass over what is not a marker, and over fill bytes.
            guard bytes[position] == 0xFF, !Self.bytesBesideMarkers.contains(marker) else {
                position += 1
                continue
            }
            let start = position + 4
            let end = position + 2 + Int(bytes[position + 2]) << 8 + Int(bytes[position + 3])
            guard end >= start, end <= bytes.count else { return }
            if marker == Self.applicationData1, exif == nil,
                bytes[start..<end].starts(with: Self.exifSignature)
            {
                exif = bytes[(start + Self.exifSignature.count)..<end]
            }
            if marker == Self.startOfScan {
                hasEnd = Self.containsEnd(bytes[end...])
                return
            }
            position = end
        }
    }

    /// Whether the end marker occurs; it is near the end, and codes never look like it.
    private static func containsEnd(_ bytes: ArraySlice<UInt8>) -> Bool {
        zip(bytes.dropFirst().reversed(), bytes.dropLast().reversed())
            .contains { $0 == endOfImage && $1 == 0xFF }
    }
}
