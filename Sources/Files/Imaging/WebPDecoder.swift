// SPDX-License-Identifier: Apache-2.0
import CWebP

/// Reads WebP pictures by libwebp: lossy, lossless, and the first frame of animations.
enum WebPDecoder {
    private static let format = "WebP"

    /// Decodes a picture.
    ///
    /// Parts that the first frame does not cover are black, and transparent in files with alpha.
    static func decode(
        _ bytes: [UInt8], _ transparency: Transparency, name: String
    ) throws(ImagingError) -> DecodedPicture {
        try bytes.withUnsafeBufferPointer { buffer throws(ImagingError) in
            let demuxer = try open(buffer, name: name)
            defer { WebPDemuxDelete(demuxer) }
            let size = size(of: demuxer)
            try PictureLimits.check(width: size.width, height: size.height, name: name)
            let picture =
                transparency == .onWhite && hasAlpha(buffer)
                ? try Picture(onWhite: size, name: name) { canvas throws(ImagingError) in
                    try decodeFirstFrame(
                        of: demuxer, into: canvas, width: size.width, channels: 4, name: name)
                }
                : try Picture(size, name: name) { canvas throws(ImagingError) in
                    try decodeFirstFrame(
                        of: demuxer, into: canvas, width: size.width, channels: 3, name: name)
                }
            return DecodedPicture(picture: picture, orientation: orientation(of: demuxer))
        }
    }

    /// The size and the orientation of a picture as it is stored.
    static func header(
        of bytes: [UInt8], name: String
    ) throws(ImagingError) -> (PixelSize, Orientation) {
        try bytes.withUnsafeBufferPointer { buffer throws(ImagingError) in
            let demuxer = try open(buffer, name: name)
            defer { WebPDemuxDelete(demuxer) }
            return (size(of: demuxer), orientation(of: demuxer))
        }
    }

    private static func size(of demuxer: OpaquePointer) -> PixelSize {
        PixelSize(
            width: Int(WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_WIDTH)),
            height: Int(WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_HEIGHT)))
    }

    private static func orientation(of demuxer: OpaquePointer) -> Orientation {
        Orientation(exif: chunk("EXIF", of: demuxer), xmp: chunk("XMP ", of: demuxer))
    }

    private static func open(
        _ bytes: UnsafeBufferPointer<UInt8>, name: String
    ) throws(ImagingError) -> OpaquePointer {
        var data = WebPData(bytes: bytes.baseAddress, size: bytes.count)
        var state = WEBP_DEMUX_PARSE_ERROR
        let demuxer = WebPDemuxPartial(&data, &state)
        if let demuxer, state == WEBP_DEMUX_DONE { return demuxer }
        WebPDemuxDelete(demuxer)
        guard state == WEBP_DEMUX_PARSE_ERROR else {
            throw .truncated(name: name, format: format)
        }
        throw .damaged(name: name, format: format, reason: "its chunks are inconsistent")
    }

    private static func hasAlpha(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        var features = WebPBitstreamFeatures()
        let status = WebPGetFeatures(bytes.baseAddress, bytes.count, &features)
        return status == VP8_STATUS_OK && features.has_alpha != 0
    }

    /// Writes the samples of the canvas: `[height, width, channels]`, of which the fourth is alpha.
    private static func decodeFirstFrame(
        of demuxer: OpaquePointer, into canvas: UnsafeMutableBufferPointer<UInt8>, width: Int,
        channels: Int, name: String
    ) throws(ImagingError) {
        var frame = WebPIterator()
        defer { WebPDemuxReleaseIterator(&frame) }
        var configuration = WebPDecoderConfig()
        guard WebPDemuxGetFrame(demuxer, 1, &frame) != 0,
            WebPInitDecoderConfig(&configuration) != 0
        else {
            throw .damaged(name: name, format: format, reason: "it has no picture")
        }
        let (frameWidth, frameHeight) = (Int(frame.width), Int(frame.height))
        let corner = (Int(frame.y_offset) * width + Int(frame.x_offset)) * channels
        if frameWidth * frameHeight * channels < canvas.count { canvas.initialize(repeating: 0) }
        configuration.output.colorspace = channels == 4 ? MODE_RGBA : MODE_RGB
        configuration.output.is_external_memory = 1
        configuration.output.u.RGBA.rgba = canvas.baseAddress?.advanced(by: corner)
        configuration.output.u.RGBA.stride = Int32(width * channels)
        configuration.output.u.RGBA.size = canvas.count - corner
        try check(
            WebPDecode(frame.fragment.bytes, frame.fragment.size, &configuration), name: name,
            byteCount: canvas.count)
    }

    private static func check(
        _ status: VP8StatusCode, name: String, byteCount: Int
    ) throws(ImagingError) {
        switch status {
        case VP8_STATUS_OK: return
        case VP8_STATUS_NOT_ENOUGH_DATA, VP8_STATUS_SUSPENDED:
            throw .truncated(name: name, format: format)
        case VP8_STATUS_OUT_OF_MEMORY:
            throw .noMemory(name: name, byteCount: byteCount)
        default:
            throw .damaged(name: name, format: format, reason: "the coded picture is not valid")
        }
    }

    /// The content of the first chunk of a type; nil if it is missing or empty.
    private static func chunk(_ type: String, of demuxer: OpaquePointer) -> [UInt8]? {
        var chunk = WebPChunkIterator()
        defer { WebPDemuxReleaseChunkIterator(&chunk) }
        guard WebPDemuxGetChunk(demuxer, type, 1, &chunk) != 0, chunk.chunk.size > 0 else {
            return nil
        }
        return Array(UnsafeBufferPointer(start: chunk.chunk.bytes, count: chunk.chunk.size))
    }
}
