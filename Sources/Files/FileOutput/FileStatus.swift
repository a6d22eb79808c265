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

    /// A file, a folder, or anything else.
    public let kind: Kind
    /// What changes when the file does.
    public let version: FileVersion
    /// What tells the file from all others, whatever it is called.
    public let identity: Identity
    /// Whether it is a device, such as a terminal or `/dev/null`.
    public let isDevice: Bool
    /// Who may read, write and run it, as `chmod` takes it.
    let mode: mode_t
    let owner: uid_t
    let group: gid_t

    /// The device and the number of the file on it.
    public struct Identity: Hashable, Sendable {
        let device: UInt64
        let number: UInt64
    }

    /// The status of what a path leads to; nil with `errno` set where it leads nowhere.
    public init?(_ path: FilePath) {
        var status = stat()
        guard path.withCString({ stat($0, &status) }) == 0 else { return nil }
        self.init(status)
    }

    /// The status of an open file; nil with `errno` set where there is none.
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
        // Devices' numbers are signed on macOS, and may be negative.
        identity = Identity(
            device: UInt64(truncatingIfNeeded: status.st_dev), number: UInt64(status.st_ino))
        isDevice = [S_IFCHR, S_IFBLK].contains(status.st_mode & S_IFMT)
        mode = status.st_mode & 0o777
        (owner, group) = (status.st_uid, status.st_gid)
    }
}

/// The size of a file and when it was changed last.
public struct FileVersion: Hashable, Sendable {
    /// Bytes.
    public let size: Int
    /// Nanoseconds since 1970.
    public let modified: Int

    /// A version of that size and time of change.
    public init(size: Int, modified: Int) {
        self.size = size
        self.modified = modified
    }
}

/// The operating system's words for its last error.
public func systemReason(_ code: Int32 = errno) -> String { String(cString: strerror(code)) }
