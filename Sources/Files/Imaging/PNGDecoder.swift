// SPDX-License-Identifier: Apache-2.0
import CPNG

/// Reads PNG pictures by libpng.
enum PNGDecoder {
    private static let format = "PNG"

    /// Decodes a picture.
    ///
    /// Anything after its last row is ignored.
    static func decode(
        _ bytes: [UInt8], _ transparency: Transparency, name: String
    ) throws(ImagingError) -> DecodedPicture {
        let header = try Header(of: bytes, name: name)
        try PictureLimits.check(width: header.size.width, height: header.size.height, name: name)
        let isLaidOnWhite = transparency == .onWhite && isTransparent(bytes, header)
        let picture =
            isLaidOnWhite
            ? try Picture(onWhite: header.size, name: name) { buffer throws(ImagingError) in
                try decode(bytes, header, channels: 4, into: buffer, name: name)
            }
            : try Picture(header.size, name: name) { buffer throws(ImagingError) in
                try decode(bytes, header, channels: 3, into: buffer, name: name)
            }
        return DecodedPicture(picture: picture, orientation: PNGNotes(bytes).orientation)
    }

    /// Writes the samples of a picture: `[height, width, channels]`, of which the fourth is alpha.
    private static func decode(
        _ bytes: [UInt8], _ header: Header, channels: UInt32,
        into buffer: UnsafeMutableBufferPointer<UInt8>, name: String
    ) throws(ImagingError) {
        var source = CPNGSource()
        bytes.withUnsafeBufferPointer { bytes in
            source.bytes = bytes.baseAddress
            source.count = bytes.count
            cpng_decode(
                &source, UInt32(header.size.width), UInt32(header.size.height), channels,
                buffer.baseAddress)
        }
        if source.result == CPNGTruncated { throw .truncated(name: name, format: format) }
        guard source.result == CPNGComplete else {
            let reason = message(of: source)
            throw reason.lowercased().contains("memory")
                ? .noMemory(name: name, byteCount: buffer.count)
                : .damaged(name: name, format: format, reason: reason)
        }
    }

    /// The size and the orientation of a picture as it is stored.
    static func header(
        of bytes: [UInt8], name: String
    ) throws(ImagingError) -> (PixelSize, Orientation) {
        (try Header(of: bytes, name: name).size, PNGNotes(bytes).orientation)
    }

    private static func message(of source: CPNGSource) -> String {
        withUnsafeBytes(of: source.message) { message in
            String(decoding: message.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    /// Whether pixels have an alpha, or a chunk gives one to a colour or to entries of the palette.
    private static func isTransparent(_ bytes: [UInt8], _ header: Header) -> Bool {
        var position = PNGChunk.signatureLength
        while !header.hasAlpha, let chunk = PNGChunk(at: position, of: bytes) {
            if chunk.type.elementsEqual("tRNS".utf8) { return true }
            if chunk.type.elementsEqual("IDAT".utf8) { return false }
            position = chunk.end
        }
        return header.hasAlpha
    }

    /// The first chunk.
    private struct Header {
        let size: PixelSize
        let hasAlpha: Bool

        init(of bytes: [UInt8], name: String) throws(ImagingError) {
            guard bytes.count >= PNGChunk.signatureLength + 8 + 13 else {
                throw .truncated(name: name, format: format)
            }
            let chunk = PNGChunk(at: PNGChunk.signatureLength, of: bytes)
            guard let chunk, chunk.type.elementsEqual("IHDR".utf8), chunk.content.count == 13 else {
                throw .damaged(
                    name: name, format: format, reason: "it does not begin with a header")
            }
            let start = chunk.content.startIndex
            size = PixelSize(
                width: PNGChunk.number(bytes, at: start),
                height: PNGChunk.number(bytes, at: start + 4))
            guard size.width > 0, size.height > 0 else {
                throw .damaged(name: name, format: format, reason: "the size is \(size)")
            }
            // The third bit of the colour type.
            hasAlpha = bytes[start + 9] & 4 != 0
        }
    }
}
