// SPDX-License-Identifier: Apache-2.0

/// What a file is, told by its first bytes and never by its name.
enum PictureFormat: Equatable {
    case jpeg
    case png
    case webp
    /// A picture of a known kind that is not decoded here.
    case other(kind: String)

    /// The bytes that recognition looks at.
    static let prefixLength = 32

    /// The format that the content begins with, nil when it is none that is known.
    init?(prefix: some Sequence<UInt8>) {
        let bytes = Array(prefix.prefix(Self.prefixLength))
        func has(_ signature: [UInt8], at offset: Int = 0) -> Bool {
            bytes.dropFirst(offset).starts(with: signature)
        }
        func has(_ signature: String, at offset: Int = 0) -> Bool {
            has(Array(signature.utf8), at: offset)
        }
        if has([0xFF, 0xD8, 0xFF]) {
            self = .jpeg
        } else if has([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            self = .png
        } else if has("RIFF") && has("WEBP", at: 8) {
            self = .webp
        } else if has("ftyp", at: 4), let kind = Self.kind(ofBrand: bytes.dropFirst(8).prefix(4)) {
            self = .other(kind: kind)
        } else if let kind = Self.signatures.first(where: { has($0.signature) })?.kind {
            self = .other(kind: kind)
        } else {
            return nil
        }
    }

    /// Signatures of pictures that people try and that are told apart only to name them.
    private static let signatures: [(signature: [UInt8], kind: String)] = [
        (Array("GIF8".utf8), "GIF"),
        (Array("BM".utf8), "BMP"),
        (Array("II*\0".utf8), "TIFF"),
        (Array("MM\0*".utf8), "TIFF"),
        (Array("8BPS".utf8), "Photoshop"),
        (Array("%PDF".utf8), "PDF"),
        (Array("<svg".utf8), "SVG"),
        ([0x00, 0x00, 0x00, 0x0C, 0x6A, 0x50, 0x20, 0x20], "JPEG 2000"),
        ([0x00, 0x00, 0x00, 0x0C, 0x4A, 0x58, 0x4C, 0x20], "JPEG XL"),
        ([0xFF, 0x0A], "JPEG XL"),
    ]

    /// The pictures among the many files that share the container of ISO/IEC 14496-12.
    private static func kind(ofBrand brand: some Collection<UInt8>) -> String? {
        switch String(decoding: brand, as: UTF8.self) {
        case "avif", "avis": "AVIF"
        case "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1": "HEIC"
        default: nil
        }
    }
}
