// SPDX-License-Identifier: Apache-2.0
import FileOutput

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Reads the bytes of pictures, and only the first bytes of other files.
enum PictureFile {
    private static let chunkLength = 1 << 16

    /// The content of a file, or of standard input when the path is `-`.
    ///
    /// A file that does not begin like a picture is refused after its first bytes.
    static func contents(
        path: String, name: String, limit: Int = PictureLimits.fileBytes
    ) throws(ImagingError) -> [UInt8] {
        let descriptor =
            path == "-" ? STDIN_FILENO : uninterrupted { open(path, O_RDONLY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw unreadable(name) }
        defer { if descriptor != STDIN_FILENO { close(descriptor) } }
        return try contents(of: descriptor, name: name, limit: limit)
    }

    /// The content of an open file from its current position on.
    static func contents(
        of descriptor: Int32, name: String, limit: Int = PictureLimits.fileBytes
    ) throws(ImagingError) -> [UInt8] {
        var bytes: [UInt8] = []
        var isRecognized = false
        while try append(from: descriptor, to: &bytes, name: name) {
            if !isRecognized, bytes.count >= PictureFormat.prefixLength {
                try refuseUnlessPicture(bytes, name: name)
                isRecognized = true
            }
            guard bytes.count <= limit else { throw .fileTooLong(name: name, limit: limit) }
        }
        try refuseUnlessPicture(bytes, name: name)
        return bytes
    }

    private static func refuseUnlessPicture(
        _ bytes: [UInt8], name: String
    ) throws(ImagingError) {
        switch try PictureDecoder.format(of: bytes, name: name) {
        case .jpeg, .png, .webp: return
        case .other(let kind): throw .unsupported(name: name, kind: kind)
        case .noPicture(let kind): throw .notPicture(name: name, kind: kind)
        }
    }

    /// Reads one more chunk; false at the end of the file.
    private static func append(
        from descriptor: Int32, to bytes: inout [UInt8], name: String
    ) throws(ImagingError) -> Bool {
        var failed = false
        let chunk = [UInt8](unsafeUninitializedCapacity: chunkLength) { buffer, initialized in
            let count = uninterrupted { read(descriptor, buffer.baseAddress, chunkLength) }
            failed = count < 0
            initialized = max(count, 0)
        }
        guard !failed else { throw unreadable(name) }
        if bytes.count + chunk.count > bytes.capacity {
            let wanted = 2 * bytes.capacity + chunk.count
            guard isMemoryGranted(wanted) else { throw .noMemory(name: name, byteCount: wanted) }
            bytes.reserveCapacity(wanted)
        }
        bytes.append(contentsOf: chunk)
        return !chunk.isEmpty
    }

    /// The operating system's last error.
    private static func unreadable(_ name: String) -> ImagingError {
        .unreadable(name: name, reason: systemReason())
    }
}
