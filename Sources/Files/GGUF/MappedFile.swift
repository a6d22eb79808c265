// SPDX-License-Identifier: Apache-2.0
import FileOutput

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A whole file, mapped read-only; the mapping ends with the last reference.
///
/// Pages are read from disk when they are first touched. Another process that shortens the file while
/// it is mapped makes later reads fault, as with every memory-mapped file.
final class MappedFile: @unchecked Sendable {
    /// The path as it was given.
    let path: String

    /// The bytes of the file, never written, valid while this object lives.
    let bytes: UnsafeRawBufferPointer

    /// The time of the last change, in nanoseconds since 1970.
    let modificationTime: Int

    /// The file's number in its file system.
    let inode: UInt64

    /// Maps a regular, non-empty file.
    init(path: String) throws(GGUFError) {
        guard !path.utf8.contains(0) else {
            throw .unreadable(file: path, reason: "the path contains a zero byte")
        }
        // Without O_NONBLOCK, opening a named pipe would wait for a writer.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw .unreadable(file: path, reason: "cannot open the file: \(systemReason())")
        }
        defer { close(descriptor) }
        let status = try MappedFile.regularFileStatus(descriptor, path)
        let count = Int(status.st_size)
        guard let address = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0),
            address != MAP_FAILED
        else {
            throw .unreadable(file: path, reason: "cannot map the file: \(systemReason())")
        }
        self.path = path
        inode = UInt64(status.st_ino)
        #if os(Linux)
            let time = status.st_mtim
        #else
            let time = status.st_mtimespec
        #endif
        modificationTime = time.tv_sec &* 1_000_000_000 &+ time.tv_nsec
        bytes = UnsafeRawBufferPointer(start: address, count: count)
    }

    deinit {
        munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
    }

    private static func regularFileStatus(
        _ descriptor: Int32, _ path: String
    ) throws(GGUFError) -> stat {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw .unreadable(file: path, reason: "cannot examine the file: \(systemReason())")
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: throw .unreadable(file: path, reason: "is a folder, expected a GGUF file")
        default: throw .unreadable(file: path, reason: "is not a regular file")
        }
        guard status.st_size > 0 else {
            throw .unreadable(file: path, reason: "the file is empty")
        }
        return status
    }
}
