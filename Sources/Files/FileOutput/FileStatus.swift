// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What the operating system knows about a file.
public struct FileStatus: Sendable {
    /// What kind of file it is.
    public enum Kind: Sendable {
        case file, folder, other
    }

    /// A regular file, a folder, or anything else.
    public let kind: Kind
    /// Changes whenever the file does.
    public let version: FileVersion
    /// Identifies the file under all of its names.
    public let identity: Identity
    /// Whether it is a device, such as a terminal or `/dev/null`.
    public let isDevice: Bool
    /// The permission bits, as `chmod` takes them.
    let mode: mode_t
    let owner: uid_t
    let group: gid_t

    /// A device, and the inode number of the file on it.
    public struct Identity: Hashable, Sendable {
        let device: UInt64
        /// The file's number in its file system.
        public let number: UInt64
    }

    /// The status of the file that a path leads to; nil with `errno` set on failure.
    public init?(_ path: FilePath) {
        var status = stat()
        guard path.withCString({ stat($0, &status) }) == 0 else { return nil }
        self.init(status)
    }

    /// The status of the file that a path leads to; nil if there is none.
    ///
    /// - Throws: `FileLookupError` if the system does not say, as on a damaged disk.
    public static func lookedUp(_ path: FilePath) throws(FileLookupError) -> FileStatus? {
        if let status = FileStatus(path) { return status }
        guard errno == ENOENT || errno == ENOTDIR else { throw FileLookupError(path) }
        return nil
    }

    /// The status of an open file; nil with `errno` set on failure.
    public init?(descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }

    private init(_ status: stat) {
        kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .folder
            default: .other
            }
        #if canImport(Darwin)
            let time = status.st_mtimespec
        #else
            let time = status.st_mtim
        #endif
        version = FileVersion(
            size: Int(status.st_size),
            modified: Int(time.tv_sec) &* 1_000_000_000 &+ Int(time.tv_nsec))
        // Device numbers are signed on macOS and may be negative.
        identity = Identity(
            device: UInt64(truncatingIfNeeded: status.st_dev), number: UInt64(status.st_ino))
        isDevice = [S_IFCHR, S_IFBLK].contains(status.st_mode & S_IFMT)
        mode = status.st_mode & 0o777
        (owner, group) = (status.st_uid, status.st_gid)
    }
}

/// Why the system does not say what a path leads to.
public struct FileLookupError: Error, Equatable, CustomStringConvertible {
    /// The path, with replacement characters where it is not UTF-8.
    public let path: String
    /// The error's number, such as `EIO`.
    public let code: Int32

    /// The operating system's message, such as `Input/output error`.
    public var reason: String { systemReason(code) }

    init(_ path: FilePath, _ code: Int32 = errno) {
        self.path = path.text
        self.code = code
    }

    /// One sentence for the user.
    public var description: String { "\(path): cannot be examined: \(reason)" }
}

/// The size of a file and the time of its last change.
public struct FileVersion: Hashable, Sendable {
    /// Bytes.
    public let size: Int
    /// Nanoseconds since 1970.
    public let modified: Int

    /// A version of the given size and time of change.
    public init(size: Int, modified: Int) {
        self.size = size
        self.modified = modified
    }
}

/// The operating system's message for an error number, by default that of the last error.
public func systemReason(_ code: Int32 = errno) -> String { String(cString: strerror(code)) }
