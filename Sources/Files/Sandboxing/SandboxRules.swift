// SPDX-License-Identifier: Apache-2.0
import FileOutput

/// What a process may still do in its sandbox.
///
/// Paths that lead to nothing are left out: whoever opens them later gets the system's own error. Symbolic links are followed
/// when the sandbox closes, and what is allowed is where they lead.
public struct SandboxRules: Equatable, Sendable {
    /// What may be done with what a path leads to.
    struct Rights: OptionSet, Hashable, Sendable {
        let rawValue: UInt32
        /// Reading files and listing folders.
        static let read = Rights(rawValue: 1)
        /// Writing to files.
        static let write = Rights(rawValue: 2)
        /// Making, renaming and deleting files, and making folders.
        static let changeFolder = Rights(rawValue: 4)
    }

    /// Whether sockets that are open when the sandbox closes may accept connections, and use them.
    public var acceptsConnections = false

    /// The rights of files, and of folders with all that they contain.
    private(set) var rights: [FilePath: Rights] = [:]

    /// Nothing but what every process needs of the system.
    public init() {
        for path in Self.systemPaths { read(FilePath(path)) }
    }

    /// What the C library, the kernels' choice and reports of memory read while the program runs.
    ///
    /// Of `/proc`, only what is about this process and the system: the rest tells what other processes were started with.
    private static let systemPaths = [
        "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/etc/ld.so.cache",
        "/etc/localtime",
        "/lib", "/lib64", "/proc/loadavg", "/proc/meminfo", "/proc/self", "/proc/stat",
        "/sys/devices/system", "/sys/fs/cgroup", "/usr/lib",
        "/usr/lib64",
        "/usr/share/zoneinfo",
    ]

    /// Allows reading a file, or a folder and everything below it.
    ///
    /// `-`, standard input, is open already.
    public mutating func read(_ path: FilePath) {
        guard path != .standardStream else { return }
        rights[path, default: []].formUnion(.read)
    }

    /// Allows reading many files: the folders that they are in, and what links among them lead to.
    public mutating func read(folderOf path: FilePath) {
        read(path.folder)
        if path.isLink { read(path) }
    }

    /// Allows everything in a folder and below it that outputs need.
    public mutating func write(below folder: FilePath) {
        rights[folder, default: []].formUnion([.read, .write, .changeFolder])
    }

    /// Allows writing an output: in the folder that it lies in, because it is written aside and renamed; to a device or a
    /// pipe itself.
    public mutating func write(_ path: FilePath) {
        guard path != .standardStream else { return }
        if FileStatus(path)?.kind == .other {
            rights[path, default: []].formUnion([.read, .write])
        } else {
            write(below: (path.resolved() ?? path.followingLinks()).folder)
        }
    }

    /// Allows writing to a file that exists, in place.
    public mutating func write(inPlace path: FilePath) {
        rights[path, default: []].formUnion(.write)
    }
}
