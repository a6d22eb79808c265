// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Opens files that one process at a time appends lines to.
public enum LockedOutput {
    /// Why a file cannot be appended to.
    public enum Failure: Error, Equatable {
        /// The operating system refuses to open it.
        case unwritable(FileOutputError)
        /// Another process has the file locked.
        case inUse
    }

    /// Opens a regular file for reading and appending, and locks it.
    ///
    /// A file that does not exist is created; the content of one that exists is left alone.
    ///
    /// Devices and pipes are opened for writing only, and are not locked. `-` has no special meaning here.
    ///
    /// - Throws: `Failure`.
    public static func opened(_ path: FilePath) throws(Failure) -> Int32 {
        while true {
            let isSpecial = try status(path)?.kind == .other
            let flags = (isSpecial ? O_WRONLY : O_RDWR | O_CREAT) | O_APPEND | O_CLOEXEC
            let descriptor = uninterrupted { path.withCString { open($0, flags, 0o666) } }
            guard descriptor >= 0 else { throw .unwritable(FileOutputError(path)) }
            if isSpecial { return descriptor }
            guard uninterrupted({ flock(descriptor, LOCK_EX | LOCK_NB) }) == 0 else {
                let code = errno
                close(descriptor)
                throw code == EWOULDBLOCK ? .inUse : .unwritable(FileOutputError(path, code))
            }
            do {
                if try isNamed(path, descriptor) { return descriptor }
            } catch {
                closeUnlocked(descriptor)
                throw error
            }
            closeUnlocked(descriptor)
        }
    }

    /// Whether the path still leads to the open file, which may have been replaced before it was locked.
    private static func isNamed(_ path: FilePath, _ descriptor: Int32) throws(Failure) -> Bool {
        guard let opened = FileStatus(descriptor: descriptor) else {
            throw .unwritable(FileOutputError(path))
        }
        return try status(path)?.identity == opened.identity
    }

    private static func status(_ path: FilePath) throws(Failure) -> FileStatus? {
        do { return try FileStatus.ofOutput(path) } catch { throw .unwritable(error) }
    }
}
