// SPDX-License-Identifier: Apache-2.0

/// The metadata in the segments of a JPEG file (ITU-T T.81, annex B).
struct JPEGMarkers {
    /// The content of all EXIF segments, joined.
    private var exif: [UInt8]?
    /// The last XMP document.
    private var xmp: [UInt8]?
    /// The kind of JPEG that the frame announces, if few programs read it.
    private(set) var unusualKind: String?
    /// Whether an end marker follows the start of the picture data.
    private(set) var hasEnd = false

    /// The bytes after 0xFF that do not begin a segment: stuffing, fill, restart and start of the picture.
    private static let bytesBesideMarkers: Set<UInt8> =
        Set([0x00, 0x01, 0xFF] + Array(0xD0...0xD8))
    private static let startOfScan: UInt8 = 0xDA
    private static let endOfImage: UInt8 = 0xD9
    private static let applicationData1: UInt8 = 0xE1
    private static let exifSignature = Array("Exif\0\0".utf8)
    private static let xmpSignature = Array("http://ns.adobe.com/xap/1.0/\0".utf8)

    /// How the picture must be turned to be upright.
    var orientation: Orientation { Orientation(exif: exif, xmp: xmp) }

    /// Walks the segments before the picture data, then looks for the end.
    init(_ bytes: [UInt8]) {
        var position = 2  // after the start marker
        while position + 4 <= bytes.count {
            let marker = bytes[position + 1]
            // Like libjpeg, skip fill bytes and anything that is not a marker.
            guard bytes[position] == 0xFF, !Self.bytesBesideMarkers.contains(marker) else {
                position += 1
                continue
            }
            let start = position + 4
            let end = position + 2 + Int(bytes[position + 2]) << 8 + Int(bytes[position + 3])
            guard end >= start, end <= bytes.count else { return }
            if marker == Self.applicationData1 { takeNotes(bytes[start..<end]) }
            unusualKind = unusualKind ?? Self.unusualKind(marker, bytes[start..<end])
            if marker == Self.startOfScan {
                hasEnd = Self.containsEnd(bytes[end...])
                return
            }
            position = end
        }
    }

    private mutating func takeNotes(_ segment: ArraySlice<UInt8>) {
        if segment.starts(with: Self.exifSignature) {
            exif = (exif ?? []) + segment.dropFirst(Self.exifSignature.count)
        } else if segment.starts(with: Self.xmpSignature) {
            xmp = Array(segment.dropFirst(Self.xmpSignature.count))
        }
    }

    /// The kind of JPEG by the marker that starts the frame (table B.1) and its bits per sample; nil for common
    /// ones.
    private static func unusualKind(_ marker: UInt8, _ segment: ArraySlice<UInt8>) -> String? {
        switch marker {
        case 0xC3, 0xCB: "lossless JPEG"
        case 0xC5...0xC7, 0xCD...0xCF: "hierarchical JPEG"
        case 0xF7: "JPEG-LS"
        case 0xC0...0xC2, 0xC9, 0xCA:
            segment.first.flatMap { $0 == 8 ? nil : "JPEG of \($0) bits per sample" }
        default: nil
        }
    }

    /// Whether the end marker occurs.
    ///
    /// It is near the end, and codes never look like it.
    private static func containsEnd(_ bytes: ArraySlice<UInt8>) -> Bool {
        zip(bytes.dropFirst().reversed(), bytes.dropLast().reversed())
            .contains { $0 == endOfImage && $1 == 0xFF }
    }
}
