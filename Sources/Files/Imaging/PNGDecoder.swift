// SPDX-License-Identifier: Apache-2.0
import CPNG

/// Reads PNG pictures by libpng.
enum PNGDecoder {
    private static let format = "PNG"
    private static let signatureLength = 8

    /// Decodes a picture; what follows its last row is not looked at.
    static func decode(_ bytes: [UInt8], name: String) throws(ImagingError) -> DecodedPicture {
        let size = try readHeader(of: bytes, name: name)
        try PictureLimits.check(width: size.width, height: size.height, name: name)
        let picture = try Picture(width: size.width, height: size.height) {
            buffer throws(ImagingError) in
            var source = CPNGSource()
            bytes.withUnsafeBufferPointer { bytes in
                source.bytes = bytes.baseAddress
                source.count = bytes.count
                cpng_decode(
                    &source, UInt32(size.width), UInt32(size.height), buffer.baseAddress)
            }
            if source.result == CPNGTruncated { throw .truncated(name: name, format: format) }
            guard source.result == CPNGComplete else {
                throw .damaged(name: name, format: format, reason: message(of: source))
            }
        }
        return DecodedPicture(picture: picture, exif: exif(in: bytes))
    }

    private static func message(of source: CPNGSource) -> String {
        withUnsafeBytes(of: source.message) { message in
            String(decoding: message.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    /// The size, which the first chunk begins with.
    private static func readHeader(
        of bytes: [UInt8], name: String
    ) throws(ImagingError) -> PixelSize {
        guard bytes.count >= signatureLength + 8 + 13 else {
            throw .truncated(name: name, format: format)
        }
        let chunk = Chunk(at: signatureLength, of: bytes)
        guard let chunk, chunk.type.elementsEqual("IHDR".utf8), chunk.content.count == 13 else {
            throw .damaged(name: name, format: format, reason: "it does not begin with a header")
        }
        let start = chunk.content.startIndex
        let size = PixelSize(
            width: bigEndian(bytes, at: start), height: bigEndian(bytes, at: start + 4))
        guard size.width > 0, size.height > 0 else {
            throw .damaged(name: name, format: format, reason: "the size is \(size)")
        }
        return size
    }

    /// The content of the EXIF chunk, which may come before or after the picture data.
    private static func exif(in bytes: [UInt8]) -> ArraySlice<UInt8>? {
        var position = signatureLength
        while let chunk = Chunk(at: position, of: bytes) {
            if chunk.type.elementsEqual("eXIf".utf8) { return chunk.content }
            position = chunk.end
        }
        return nil
    }

    /// One chunk: its length, its type, its content and a checksum.
    private struct Chunk {
        let type: ArraySlice<UInt8>
        let content: ArraySlice<UInt8>
        var end: Int { content.endIndex + 4 }

        init?(at position: Int, of bytes: [UInt8]) {
            guard position + 8 <= bytes.count else { return nil }
            let start = position + 8
            let length = bigEndian(bytes, at: position)
            guard length <= bytes.count - start else { return nil }
            type = bytes[position + 4..<start]
            content = bytes[start..<start + length]
        }
    }

    private static func bigEndian(_ bytes: [UInt8], at position: Int) -> Int {
        bytes[position..<position + 4].reduce(0) { $0 << 8 | Int($1) }
    }
}
