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
            let isSpecial = FileStatus(path).map { $0.kind == .other } ?? false
            let flags = (isSpecial ? O_WRONLY : O_RDWR | O_CREAT) | O_APPEND | O_CLOEXEC
            let descriptor = path.withCString { open($0, flags, 0o666) }
            guard descriptor >= 0 else { throw .unwritable(FileOutputError(path)) }
            if isSpecial { return descriptor }
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
                let code = errno
                close(descriptor)
                throw code == EWOULDBLOCK ? .inUse : .unwritable(FileOutputError(path, code))
            }
            // The file may have been replaced between the two calls.
            if FileStatus(path)?.identity == FileStatus(descriptor: descriptor)?.identity {
                return descriptor
            }
            closeUnlocked(descriptor)
        }
    }
}
