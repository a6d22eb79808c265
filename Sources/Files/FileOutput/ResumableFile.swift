// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file that is filled over several runs of the program, and gets its name when it is complete.
///
/// What was written stays when the process is killed. The caller keeps other writers away, with a lock on another
/// file.
public final class ResumableFile {
    private static let chunk = 1 << 20

    private let path: FilePath
    private var descriptor: Int32
    /// The bytes that it has.
    public private(set) var count: Int

    /// Opens an incomplete file, or begins one.
    ///
    /// - Parameter makesFolders: whether to create missing folders.
    /// - Throws: `FileOutputError`.
    public init(_ path: FilePath, makesFolders: Bool = false) throws(FileOutputError) {
        self.path = path
        if makesFolders { try OutputFolder.make(path.folder) }
        descriptor = uninterrupted {
            path.withCString { open($0, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o666) }
        }
        guard descriptor >= 0 else { throw FileOutputError(path) }
        let status = FileStatus(descriptor: descriptor)
        guard let status, status.kind == .file else {
            let code = status == nil ? errno : EINVAL
            close(descriptor)
            throw FileOutputError(path, code)
        }
        count = status.version.size
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Hands over the bytes that it has, piece by piece in their order.
    ///
    /// - Throws: `FileOutputError`.
    public func read(_ body: (UnsafeRawBufferPointer) -> Void) throws(FileOutputError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.chunk, alignment: 64)
        defer { buffer.deallocate() }
        var done = 0
        while done < count {
            let read = uninterrupted {
                pread(descriptor, buffer.baseAddress, min(Self.chunk, count - done), off_t(done))
            }
            guard read > 0 else { throw FileOutputError(path, read < 0 ? errno : EIO) }
            body(UnsafeRawBufferPointer(rebasing: buffer[..<read]))
            done += read
        }
    }

    /// Adds bytes at the end.
    ///
    /// - Throws: `FileOutputError`; some of the bytes may have been written.
    public func append(_ bytes: UnsafeRawBufferPointer) throws(FileOutputError) {
        guard writeAll(bytes, to: descriptor) else {
            let error = FileOutputError(path)
            count = FileStatus(descriptor: descriptor)?.version.size ?? count
            throw error
        }
        count += bytes.count
    }

    /// Drops all bytes.
    ///
    /// - Throws: `FileOutputError`.
    public func clear() throws(FileOutputError) {
        guard uninterrupted({ ftruncate(descriptor, 0) }) == 0 else { throw FileOutputError(path) }
        count = 0
    }

    /// Synchronises the file and renames it.
    ///
    /// - Throws: `FileOutputError`; the file is still incomplete then.
    public func finish(as target: FilePath) throws(FileOutputError) {
        guard uninterrupted({ fsync(descriptor) }) == 0,
            path.withCString({ old in target.withCString { rename(old, $0) } }) == 0,
            OutputFolder.synchronize(target.folder)
        else { throw FileOutputError(target) }
        close(descriptor)
        descriptor = -1
    }

    /// Deletes the file.
    public func remove() {
        _ = path.withCString { unlink($0) }
        close(descriptor)
        descriptor = -1
    }
}
