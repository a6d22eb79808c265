// SPDX-License-Identifier: Apache-2.0
import CPNG
import FileOutput

/// Writes pictures as PNG files: 8-bit RGB, lossless.
public enum PNGEncoder {
    /// Encodes a picture as a PNG file.
    ///
    /// - Throws: `ImagingError.encoding` when memory runs out or a side exceeds 2³¹ − 1.
    public static func png(_ picture: Picture) throws(ImagingError) -> [UInt8] {
        var sink = CPNGSink()
        defer { free(sink.bytes) }
        picture.pixels.withUnsafeBufferPointer { pixels in
            cpng_encode(
                &sink, UInt32(clamping: picture.width), UInt32(clamping: picture.height),
                pixels.baseAddress)
        }
        guard sink.result == CPNGComplete else {
            let message = withUnsafeBytes(of: sink.message) { message in
                String(decoding: message.prefix { $0 != 0 }, as: UTF8.self)
            }
            throw .encoding(reason: message)
        }
        guard isMemoryGranted(sink.count) else { throw .encoding(reason: "out of memory") }
        return Array(UnsafeBufferPointer(start: sink.bytes, count: sink.count))
    }

    /// Writes a picture to a PNG file, which appears complete or not at all.
    ///
    /// - Parameters:
    ///   - picture: What to write.
    ///   - path: The file, which is replaced if it exists. Devices and pipes are written to directly, and `-` is
    ///     standard output.
    /// - Throws: `ImagingError.encoding`, or `ImagingError.unwritable` with the path in it.
    public static func write(_ picture: Picture, to path: String) throws(ImagingError) {
        let bytes = try png(picture)
        do {
            try OutputFile.write(bytes, to: FilePath(path))
        } catch {
            throw .unwritable(name: path, reason: error.reason)
        }
    }
}
