// SPDX-License-Identifier: Apache-2.0
import FileOutput

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Reads whole files.
enum FileBytes {
    /// All bytes of a file.
    ///
    /// - Throws: `CaptioningError.unreadable`.
    static func contents(_ path: FilePath) throws(CaptioningError) -> [UInt8] {
        let descriptor = uninterrupted { path.withCString { open($0, O_RDONLY | O_CLOEXEC) } }
        guard descriptor >= 0 else {
            throw .unreadable(path: path.text, reason: systemReason())
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = uninterrupted { read(descriptor, &chunk, chunk.count) }
            guard count >= 0 else { throw .unreadable(path: path.text, reason: systemReason()) }
            guard count > 0 else { return bytes }
            bytes += chunk[..<count]
        }
    }
}
