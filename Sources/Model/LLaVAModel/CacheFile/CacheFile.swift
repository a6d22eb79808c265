// SPDX-License-Identifier: Apache-2.0
import FileOutput
import GGUF

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file of a cache folder, mapped read-only.
///
/// Other processes replace the file and never write into it.
final class CacheFile: @unchecked Sendable {
    /// Why a file is not used.
    enum Refusal: Error, Equatable {
        /// There is no file.
        case missing
        /// It cannot be read.
        case unreadable(reason: String)
        /// It is truncated, changed, or of another version of this program.
        case damaged
        /// It was made from another file, or from an earlier version of the file.
        case stale
    }

    /// The whole file, as long as this object lives.
    let bytes: UnsafeRawBufferPointer

    /// Maps a regular file.
    init(path: String) throws(Refusal) {
        // Without O_NONBLOCK, opening a named pipe would wait for a writer.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            let isMissing = errno == ENOENT || errno == ENOTDIR
            throw isMissing ? .missing : .unreadable(reason: systemReason())
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .unreadable(reason: systemReason()) }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_size > 0 else { throw .damaged }
        let count = Int(status.st_size)
        guard let address = mmap(nil, count, PROT_READ, MAP_SHARED, descriptor, 0),
            address != MAP_FAILED
        else { throw .unreadable(reason: systemReason()) }
        bytes = UnsafeRawBufferPointer(start: address, count: count)
    }

    deinit { munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count) }

    /// Lets a slow disk start to read the whole file.
    func readAhead() {
        madvise(
            UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count,
            Int32(MADV_WILLNEED))
    }
}

extension GGUFFile {
    /// What changes whenever the file, or a part of it, does.
    var identityText: String {
        identities.map { part in
            "\(part.byteCount) bytes, changed at \(part.modificationTime), inode \(part.inode), "
                + "header \(String(part.header, radix: 16))"
        }.joined(separator: "; ")
    }

    /// What a file about this one is called in a cache folder.
    ///
    /// - Parameter variant: tells files about the same one apart.
    func cacheName(_ variant: String) -> String {
        let name = path.split(separator: "/").last ?? "model"
        let place = FilePath(path).resolved()?.text ?? path
        return "\(name)-\(String(fingerprint(of: "\(place) \(variant)"), radix: 16))"
    }
}
