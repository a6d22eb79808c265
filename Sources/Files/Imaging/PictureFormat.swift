// SPDX-License-Identifier: Apache-2.0

/// The format of a file, recognised by its first bytes and never by its name.
enum PictureFormat: Equatable {
    case jpeg
    case png
    case webp
    /// A picture of a known kind that is not supported.
    case other(kind: String)
    /// A file of a known kind that is not a picture.
    case noPicture(kind: String)

    /// The number of bytes that recognition needs: the mark of a tar archive is in bytes 258 to 262.
    static let prefixLength = 512

    /// The format that the content begins with; nil if it is unknown.
    init?(prefix: some Sequence<UInt8>) {
        let start = FileStart(Array(prefix.prefix(Self.prefixLength)))
        if start.has([0xFF, 0xD8, 0xFF]) {
            self = .jpeg
        } else if start.has([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            self = .png
        } else if start.has("RIFF") && start.has("WEBP", at: 8) {
            self = .webp
        } else if let kind = start.pictureKind {
            self = .other(kind: kind)
        } else if let kind = start.otherKind {
            self = .noPicture(kind: kind)
        } else if start.looksLikeTarga {
            self = .other(kind: "TGA")
        } else {
            return nil
        }
    }
}

/// The first bytes of a file, and the formats that begin with them.
private struct FileStart {
    let bytes: [UInt8]
    /// The bytes as text in lower case, after a byte order mark and white space.
    let text: String

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let content = bytes.starts(with: mark) ? bytes[3...] : bytes[...]
        let letters = content.drop { [9, 10, 13, 32].contains($0) }.prefix { $0 < 128 }
        text = String(decoding: letters, as: UTF8.self).lowercased()
    }

    func has(_ signature: [UInt8], at offset: Int = 0) -> Bool {
        bytes.dropFirst(offset).starts(with: signature)
    }

    func has(_ signature: String, at offset: Int = 0) -> Bool {
        has(Array(signature.utf8), at: offset)
    }

    private func byte(_ index: Int) -> UInt8 { index < bytes.count ? bytes[index] : 0 }

    /// The kind of a picture that is not supported.
    var pictureKind: String? {
        if has("ftyp", at: 4), let kind = isoMediaKind, kind.isPicture { return kind.name }
        if let kind = Self.pictures.first(where: { has($0.signature) })?.kind { return kind }
        // A document may begin with comments and declarations.
        if text.hasPrefix("<"), text.contains("<svg"), !isWebPage { return "SVG" }
        // PNM: `P`, a digit, white space or a comment.
        if byte(0) == 0x50, (49...55).contains(byte(1)), [9, 10, 13, 32, 35].contains(byte(2)) {
            return "PNM (PBM, PGM, PPM, PAM)"
        }
        // PCX: a version, run-length encoding, bits per sample.
        if byte(0) == 0x0A, [0, 2, 3, 4, 5].contains(byte(1)), byte(2) <= 1,
            [1, 2, 4, 8].contains(byte(3))
        {
            return "PCX"
        }
        // ICO: a directory with at least one picture; byte 9 is reserved.
        if has([0, 0, 1, 0]) || has([0, 0, 2, 0]), byte(4) > 0, byte(5) == 0, byte(9) == 0 {
            return byte(2) == 1 ? "ICO" : "CUR"
        }
        return has("DICM", at: 128) ? "DICOM" : nil
    }

    private var isWebPage: Bool {
        ["<!doctype html", "<html", "<head"].contains(where: text.hasPrefix)
    }

    /// The kind of a file that is not a picture.
    var otherKind: String? {
        if has("ftyp", at: 4), let kind = isoMediaKind { return kind.name }
        if has("RIFF"), has("AVI ", at: 8) { return "an AVI video" }
        if has("ustar", at: 257) { return "a tar archive" }
        if text.hasPrefix("version https://git-lfs.github.com/") {
            return
                "a Git LFS pointer, the placeholder of a file (\"git lfs pull\" fetches it)"
        }
        if isWebPage { return "a web page" }
        return Self.others.first { has($0.signature) }?.kind
    }

    /// Signatures of pictures that are recognised only to be named in messages.
    private static let pictures: [(signature: [UInt8], kind: String)] = [
        (Array("GIF8".utf8), "GIF"),
        (Array("BM".utf8), "BMP"),
        (Array("II*\0".utf8), "TIFF"),
        (Array("MM\0*".utf8), "TIFF"),
        (Array("II+\0".utf8), "BigTIFF"),
        (Array("MM\0+".utf8), "BigTIFF"),
        (Array("8BPS".utf8), "Photoshop"),
        (Array("gimp xcf".utf8), "GIMP's XCF"),
        (Array("%PDF".utf8), "PDF"),
        (Array("%!PS".utf8), "PostScript"),
        ([0xC5, 0xD0, 0xD3, 0xC6], "PostScript"),
        ([0x00, 0x00, 0x00, 0x0C, 0x6A, 0x50, 0x20, 0x20], "JPEG 2000"),
        ([0xFF, 0x4F, 0xFF, 0x51], "JPEG 2000"),
        ([0x00, 0x00, 0x00, 0x0C, 0x4A, 0x58, 0x4C, 0x20], "JPEG XL"),
        ([0xFF, 0x0A], "JPEG XL"),
        ([0x49, 0x49, 0xBC], "JPEG XR"),
        (Array("qoif".utf8), "QOI"),
        (Array("icns".utf8), "ICNS"),
        (Array("DDS ".utf8), "DDS"),
        ([0x76, 0x2F, 0x31, 0x01], "OpenEXR"),
        (Array("#?RADIANCE".utf8), "Radiance HDR"),
        (Array("#?RGBE".utf8), "Radiance HDR"),
        (Array("SIMPLE  =".utf8), "FITS"),
        (Array("FUJIFILMCCD-RAW".utf8), "Fujifilm's raw"),
        (Array("IIRO".utf8), "Olympus's raw"),
        (Array("PF\n".utf8), "PFM"),
        (Array("Pf\n".utf8), "PFM"),
    ]

    /// Signatures of files that are not pictures, for the same purpose.
    private static let others: [(signature: [UInt8], kind: String)] = [
        (Array("PK\u{3}\u{4}".utf8), "a ZIP archive (only tar archives are read)"),
        ([0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C], "a 7z archive (only tar archives are read)"),
        (Array("Rar!".utf8), "a RAR archive (only tar archives are read)"),
        ([0x1F, 0x8B], "a gzip file"),
        (Array("BZh".utf8), "a bzip2 file"),
        ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00], "an xz file"),
        ([0x28, 0xB5, 0x2F, 0xFD], "a Zstandard file"),
        ([0x1A, 0x45, 0xDF, 0xA3], "a Matroska or WebM video"),
        (Array("GGUF".utf8), "a GGUF model"),
    ]

    /// The kind of a file in the container of ISO/IEC 14496-12, by its brand or, if that is a general one, by its
    /// compatible brands.
    private var isoMediaKind: (name: String, isPicture: Bool)? {
        let length = min(Int(byte(2)) << 8 | Int(byte(3)), bytes.count)
        let brands = [8] + Swift.stride(from: 16, to: max(16, length - 3), by: 4)
        for offset in brands {
            let brand = String(decoding: bytes.dropFirst(offset).prefix(4), as: UTF8.self)
            switch brand {
            case "avif", "avis": return ("AVIF", true)
            case "heic", "heix", "heim", "heis", "hevc", "hevx": return ("HEIC", true)
            case "crx ": return ("Canon's raw", true)
            case "isom", "iso2", "iso4", "iso5", "iso6", "mp41", "mp42", "avc1", "M4V ", "qt  ",
                "3gp4", "3gp5", "3g2a":
                return ("a video", false)
            default: continue
            }
        }
        return has("mif1", at: 8) || has("msf1", at: 8) ? ("HEIC", true) : nil
    }

    /// Whether the file begins with a TGA header.
    ///
    /// It has no signature, so all of its fields must be plausible.
    var looksLikeTarga: Bool {
        guard bytes.count >= 18, byte(1) <= 1 else { return false }
        let (isMapped, type, depth) = (byte(1) == 1, byte(2), byte(16))
        let hasSize = (byte(12) | byte(13)) != 0 && (byte(14) | byte(15)) != 0
        switch type {
        case 1, 9:
            return isMapped && hasSize && depth == 8 && [15, 16, 24, 32].contains(byte(7))
        case 2, 10: return hasSize && !isMapped && [15, 16, 24, 32].contains(depth)
        case 3, 11: return hasSize && !isMapped && [8, 16].contains(depth)
        default: return false
        }
    }
}
