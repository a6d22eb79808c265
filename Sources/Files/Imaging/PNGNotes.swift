// SPDX-License-Identifier: Apache-2.0
import CPNG

/// One chunk of a PNG file: its length, its type, its content and a checksum.
struct PNGChunk {
    /// Bytes before the first chunk.
    static let signatureLength = 8

    let type: ArraySlice<UInt8>
    let content: ArraySlice<UInt8>
    /// Where the next chunk starts.
    var end: Int { content.endIndex + 4 }

    /// The chunk at a position; nil if its content is cut off.
    init?(at position: Int, of bytes: [UInt8]) {
        guard position + 8 <= bytes.count else { return nil }
        let start = position + 8
        let length = Self.number(bytes, at: position)
        guard length <= bytes.count - start else { return nil }
        type = bytes[position + 4..<start]
        content = bytes[start..<start + length]
    }

    /// A big-endian 32-bit number.
    static func number(_ bytes: [UInt8], at position: Int) -> Int {
        bytes[position..<position + 4].reduce(0) { $0 << 8 | Int($1) }
    }
}

/// The orientation metadata of a PNG file, before or after the picture data.
///
/// EXIF data have their own chunk. ImageMagick writes them in hexadecimal to a text chunk instead. XMP is a
/// text chunk. The last of several counts, as in Pillow (`PngImagePlugin`).
struct PNGNotes {
    private var exif: [UInt8]?
    private var rawProfile: [UInt8]?
    private var xmp: [UInt8]?

    private static let xmpKeyword = Array("XML:com.adobe.xmp".utf8)
    private static let profileKeyword = Array("Raw profile type exif".utf8)
    private static let exifKeyword = Array("exif".utf8)
    /// The most bytes of an inflated text: Pillow's limit.
    private static let textLimit = 1 << 20

    /// Walks the chunks up to the end of the picture.
    init(_ bytes: [UInt8]) {
        var position = PNGChunk.signatureLength
        while let chunk = PNGChunk(at: position, of: bytes) {
            switch String(decoding: chunk.type, as: UTF8.self) {
            case "eXIf": exif = Array(chunk.content)
            case "tEXt": takeText(chunk.content)
            case "zTXt": takeCompressedText(chunk.content)
            case "iTXt": takeInternationalText(chunk.content)
            case "IEND": return
            default: break
            }
            position = chunk.end
        }
    }

    /// How the picture must be turned to be upright.
    var orientation: Orientation {
        Orientation(exif: exif ?? rawProfile.flatMap(Self.bytes(ofProfile:)), xmp: xmp)
    }

    private mutating func take(_ keyword: ArraySlice<UInt8>, _ text: [UInt8]) {
        if keyword.elementsEqual(Self.xmpKeyword) { xmp = text }
        if keyword.elementsEqual(Self.profileKeyword) { rawProfile = text }
    }

    /// tEXt: a keyword, a zero, a text.
    private mutating func takeText(_ content: ArraySlice<UInt8>) {
        let (keyword, rest) = Self.split(content)
        guard let rest else { return }
        take(keyword, Array(rest))
        if keyword.elementsEqual(Self.exifKeyword) { exif = Array(rest) }
    }

    /// zTXt: a keyword, a zero, the compression method, a text.
    private mutating func takeCompressedText(_ content: ArraySlice<UInt8>) {
        let (keyword, rest) = Self.split(content)
        guard let rest, rest.first == 0, let text = Self.inflated(rest.dropFirst()) else { return }
        take(keyword, text)
    }

    /// iTXt: a keyword, a zero, the compression flag and method, a language, a zero, the translated keyword, a
    /// zero, a text.
    private mutating func takeInternationalText(_ content: ArraySlice<UInt8>) {
        let (keyword, rest) = Self.split(content)
        guard let rest, rest.count >= 2 else { return }
        let (isCompressed, method) = (rest[rest.startIndex] != 0, rest[rest.startIndex + 1])
        guard let translated = Self.split(rest.dropFirst(2)).rest,
            let stored = Self.split(translated).rest
        else { return }
        if !isCompressed {
            take(keyword, Array(stored))
        } else if method == 0, let text = Self.inflated(stored) {
            take(keyword, text)
        }
    }

    /// The bytes before and after the first zero; no rest without a zero.
    private static func split(
        _ bytes: ArraySlice<UInt8>
    ) -> (start: ArraySlice<UInt8>, rest: ArraySlice<UInt8>?) {
        guard let zero = bytes.firstIndex(of: 0) else { return (bytes, nil) }
        return (bytes[..<zero], bytes[(zero + 1)...])
    }

    /// Inflates a text; nil if it is damaged or too long.
    private static func inflated(_ stored: ArraySlice<UInt8>) -> [UInt8]? {
        var count = textLimit
        var isWhole = false
        let text = [UInt8](unsafeUninitializedCapacity: textLimit) { buffer, initialized in
            isWhole = stored.withUnsafeBufferPointer {
                cpng_inflate($0.baseAddress, $0.count, buffer.baseAddress, &count) != 0
            }
            initialized = isWhole ? count : 0
        }
        return isWhole ? text : nil
    }

    /// Decodes a raw profile: three lines about it, then its bytes as pairs of hexadecimal digits.
    private static func bytes(ofProfile text: [UInt8]) -> [UInt8]? {
        let lines = text.split(separator: 10, omittingEmptySubsequences: false).dropFirst(3)
        let digits = lines.joined().filter { !(9...13).contains($0) && $0 != 32 }
        let values = digits.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
        guard values.count == digits.count, values.count % 2 == 0 else { return nil }
        return stride(from: 0, to: values.count, by: 2).map {
            UInt8(values[$0] << 4 | values[$0 + 1])
        }
    }
}
