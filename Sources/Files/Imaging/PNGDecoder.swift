// SPDX-License-Identifier: Apache-2.0
import CPNG

/// Reads PNG pictures by libpng.
enum PNGDecoder {
    private static let format = "PNG"

    /// Decodes a picture.
    ///
    /// Anything after its last row is ignored.
    static func decode(_ bytes: [UInt8], name: String) throws(ImagingError) -> DecodedPicture {
        let size = try readHeader(of: bytes, name: name)
        try PictureLimits.check(width: size.width, height: size.height, name: name)
        let picture = try Picture(size, name: name) {
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
                let reason = message(of: source)
                throw reason.lowercased().contains("memory")
                    ? .noMemory(name: name, byteCount: buffer.count)
                    : .damaged(name: name, format: format, reason: reason)
            }
        }
        return DecodedPicture(picture: picture, orientation: PNGNotes(bytes).orientation)
    }

    /// The size and the orientation of a picture as it is stored.
    static func header(
        of bytes: [UInt8], name: String
    ) throws(ImagingError) -> (PixelSize, Orientation) {
        (try readHeader(of: bytes, name: name), PNGNotes(bytes).orientation)
    }

    private static func message(of source: CPNGSource) -> String {
        withUnsafeBytes(of: source.message) { message in
            String(decoding: message.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    /// Reads the size from the start of the first chunk.
    private static func readHeader(
        of bytes: [UInt8], name: String
    ) throws(ImagingError) -> PixelSize {
        guard bytes.count >= PNGChunk.signatureLength + 8 + 13 else {
            throw .truncated(name: name, format: format)
        }
        let chunk = PNGChunk(at: PNGChunk.signatureLength, of: bytes)
        guard let chunk, chunk.type.elementsEqual("IHDR".utf8), chunk.content.count == 13 else {
            throw .damaged(name: name, format: format, reason: "it does not begin with a header")
        }
        let start = chunk.content.startIndex
        let size = PixelSize(
            width: PNGChunk.number(bytes, at: start), height: PNGChunk.number(bytes, at: start + 4))
        guard size.width > 0, size.height > 0 else {
            throw .damaged(name: name, format: format, reason: "the size is \(size)")
        }
        return size
    }
}
