// SPDX-License-Identifier: Apache-2.0
import CTurboJPEG

/// Reads JPEG pictures by libjpeg-turbo, with the exact transform and smooth chroma, as Pillow does.
enum JPEGDecoder {
    private static let format = "JPEG"
    /// The most pixels that a byte of Huffman codes can encode: a block of 8×8 takes at least one bit, and odd
    /// sampling factors spread a block over at most four times its area.
    private static let pixelsPerByte = 8 * 64 * 4

    /// Decodes a picture.
    ///
    /// Minor damage is tolerated, as by any viewer; a missing end is not.
    static func decode(_ bytes: [UInt8], name: String) throws(ImagingError) -> DecodedPicture {
        try withDecompressor(bytes, name: name) { markers, decompressor throws(ImagingError) in
            try decode(bytes, markers, by: decompressor, name: name)
        }
    }

    /// The size and the orientation of a picture as it is stored.
    static func header(
        of bytes: [UInt8], name: String
    ) throws(ImagingError) -> (PixelSize, Orientation) {
        try withDecompressor(bytes, name: name) { markers, decompressor throws(ImagingError) in
            let header = try header(of: bytes, markers, by: decompressor, name: name)
            return (header.size, markers.orientation)
        }
    }

    private static func withDecompressor<Result>(
        _ bytes: [UInt8], name: String,
        _ body: (JPEGMarkers, tjhandle) throws(ImagingError) -> Result
    ) throws(ImagingError) -> Result {
        guard let decompressor = tjInitDecompress() else {
            throw .noMemory(name: name, byteCount: bytes.count)
        }
        defer { tjDestroy(decompressor) }
        let markers = JPEGMarkers(bytes)
        do throws(ImagingError) {
            return try body(markers, decompressor)
        } catch .damaged(let name, let format, let reason) {
            // Kinds of JPEG that the library does not read are not damaged.
            if let kind = markers.unusualKind { throw .unsupported(name: name, kind: kind) }
            throw .damaged(name: name, format: format, reason: reason)
        }
    }

    private static func header(
        of bytes: [UInt8], _ markers: JPEGMarkers, by decompressor: tjhandle, name: String
    ) throws(ImagingError) -> Header {
        guard let header = Header(of: bytes, by: decompressor) else {
            throw markers.hasEnd
                ? failure(of: decompressor, name: name, byteCount: bytes.count)
                : .truncated(name: name, format: format)
        }
        return header
    }

    private static func decode(
        _ bytes: [UInt8], _ markers: JPEGMarkers, by decompressor: tjhandle, name: String
    ) throws(ImagingError) -> DecodedPicture {
        let header = try header(of: bytes, markers, by: decompressor, name: name)
        try PictureLimits.check(width: header.width, height: header.height, name: name)
        let isPlausible = header.width * header.height / pixelsPerByte <= bytes.count
        guard markers.hasEnd, isPlausible else { throw .truncated(name: name, format: format) }
        let picture =
            header.isInk
            ? try decodeInk(bytes, header, by: decompressor, name: name)
            : try Picture(header.size, name: name) {
                buffer throws(ImagingError) in
                try decompress(
                    bytes, header, to: TJPF_RGB, into: buffer, by: decompressor, name: name)
            }
        return DecodedPicture(picture: picture, orientation: markers.orientation)
    }

    private struct Header {
        let width: Int
        let height: Int
        /// Whether the colours are those of ink (CMYK or YCCK).
        let isInk: Bool
        var size: PixelSize { PixelSize(width: width, height: height) }

        init?(of bytes: [UInt8], by decompressor: tjhandle) {
            var (width, height): (Int32, Int32) = (0, 0)
            var (subsampling, colorspace): (Int32, Int32) = (-1, -1)
            let status = tjDecompressHeader3(
                decompressor, bytes, UInt(bytes.count), &width, &height, &subsampling, &colorspace)
            // The library reports unusual subsampling as an error, although it can decode it.
            guard status == 0 || colorspace >= 0, width > 0, height > 0 else { return nil }
            self.width = Int(width)
            self.height = Int(height)
            isInk = [TJCS_CMYK, TJCS_YCCK].contains { Int32($0.rawValue) == colorspace }
        }
    }

    private static func decompress(
        _ bytes: [UInt8], _ header: Header, to pixelFormat: TJPF,
        into buffer: UnsafeMutableBufferPointer<UInt8>, by decompressor: tjhandle, name: String
    ) throws(ImagingError) {
        let flags = TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS
        let status = tjDecompress2(
            decompressor, bytes, UInt(bytes.count), buffer.baseAddress, Int32(header.width), 0,
            Int32(header.height), Int32(pixelFormat.rawValue), flags)
        guard status != 0 else { return }
        let error = failure(of: decompressor, name: name, byteCount: buffer.count)
        let isWarning = tjGetErrorCode(decompressor) == TJERR_WARNING.rawValue
        if case .damaged = error, isWarning { return }
        throw error
    }

    /// The library's last error.
    ///
    /// Both messages of libjpeg about missing data say "premature end"; those about memory say "memory".
    private static func failure(
        of decompressor: tjhandle, name: String, byteCount: Int
    ) -> ImagingError {
        let reason = tjGetErrorStr2(decompressor).map { String(cString: $0) } ?? "unknown"
        guard !reason.lowercased().contains("memory") else {
            return .noMemory(name: name, byteCount: byteCount)
        }
        return reason.lowercased().contains("premature end")
            ? .truncated(name: name, format: format)
            : .damaged(name: name, format: format, reason: reason)
    }

    /// Decodes cyan, magenta, yellow and black, which Adobe's programs store inverted.
    private static func decodeInk(
        _ bytes: [UInt8], _ header: Header, by decompressor: tjhandle, name: String
    ) throws(ImagingError) -> Picture {
        let count = header.width * header.height
        let samples = try SampleBuffer<UInt8>(count: count * 4, name: name)
        let inks = samples.numbers
        try decompress(bytes, header, to: TJPF_CMYK, into: inks, by: decompressor, name: name)
        return try Picture(header.size, name: name) { buffer in
            for pixel in 0..<count {
                let light = Int(inks[pixel * 4 + 3])
                for channel in 0..<3 {
                    let ink = 255 - Int(inks[pixel * 4 + channel])
                    buffer[pixel * 3 + channel] = UInt8(light - roundedProduct(ink, light))
                }
            }
        }
    }

    /// a·b/255, rounded.
    private static func roundedProduct(_ a: Int, _ b: Int) -> Int {
        let product = a * b + 128
        return ((product >> 8) + product) >> 8
    }
}
