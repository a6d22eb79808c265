// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A whole file, mapped read-only; the mapping ends with the last reference.
///
/// Pages are read from disk when they are first touched. Another process that shortens the file while
/// it is mapped makes later reads fault, as with every memory-mapped file.
public final class MappedFile: @unchecked Sendable {
    /// Why a file is not mapped.
    public enum Refusal: Error, Equatable {
        /// There is no file.
        case missing(reason: String)
        /// The system refused; the reason says what.
        case unreadable(reason: String)
        /// It is a folder, a device or a pipe.
        case notFile(FileStatus.Kind)
        /// It has no bytes.
        case empty
    }

    /// The path as it was given.
    public let path: String
    /// The bytes of the file, never written, valid while this object lives.
    public let bytes: UnsafeRawBufferPointer
    /// What the system knew about the file when it was opened.
    public let status: FileStatus

    /// Maps a regular, non-empty file.
    public init(path: String) throws(Refusal) {
        guard !path.utf8.contains(0) else {
            throw .unreadable(reason: "the path contains a zero byte")
        }
        // Without O_NONBLOCK, opening a named pipe would wait for a writer.
        let descriptor = uninterrupted { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
        guard descriptor >= 0 else {
            let isMissing = errno == ENOENT || errno == ENOTDIR
            let reason = "cannot open the file: \(systemReason())"
            throw isMissing ? .missing(reason: reason) : .unreadable(reason: reason)
        }
        defer { close(descriptor) }
        guard let status = FileStatus(descriptor: descriptor) else {
            throw .unreadable(reason: "cannot examine the file: \(systemReason())")
        }
        guard status.kind == .file else { throw .notFile(status.kind) }
        let count = status.version.size
        guard count > 0 else { throw .empty }
        guard let address = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0),
            address != MAP_FAILED
        else { throw .unreadable(reason: "cannot map the file: \(systemReason())") }
        self.path = path
        self.status = status
        bytes = UnsafeRawBufferPointer(start: address, count: count)
    }

    deinit {
        munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
    }

    /// Lets a slow disk start to read the whole file.
    public func readAhead() {
        madvise(
            UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count, Int32(MADV_WILLNEED))
    }
}
