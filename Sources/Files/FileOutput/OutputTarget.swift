// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What the path of an output leads to.
enum OutputTarget {
    /// An open stream: standard output for the path `-`, or the file that the shell has opened as standard
    /// output or standard error.
    case stream(Int32)
    /// A device or a pipe, which is written to as it is.
    case special(FilePath)
    /// A regular file, or one that is not there yet; symbolic links on the way to it are followed.
    case file(FilePath, FileStatus?)

    init(_ path: FilePath) {
        guard path != .standardStream else {
            self = .stream(STDOUT_FILENO)
            return
        }
        guard let status = FileStatus(path) else {
            self = .file(path.followingLinks(), nil)
            return
        }
        guard status.kind == .file else {
            self = .special(path)
            return
        }
        // A file beside it would take the name of `/dev/stdout`'s file, but not its place.
        let stream = [STDOUT_FILENO, STDERR_FILENO].first {
            FileStatus(descriptor: $0)?.identity == status.identity
        }
        self = stream.map { .stream($0) } ?? .file(path.resolved() ?? path, status)
    }
}

extension FilePath {
    /// The path that stands for standard output, or standard input where something is read.
    public static let standardStream = FilePath("-")
}

/// Folders of outputs.
public enum OutputFolder {
    /// Makes a folder and those that it is in, where they are missing.
    ///
    /// - Throws: `FileOutputError`.
    public static func make(_ folder: FilePath) throws(FileOutputError) {
        let reason = make(alone: folder)
        guard reason != 0 else { return }
        guard reason == ENOENT, folder.folder != folder else {
            throw FileOutputError(folder, reason)
        }
        try make(folder.folder)
        let second = make(alone: folder)
        guard second == 0 else { throw FileOutputError(folder, second) }
    }

    /// Makes a folder in one that is there; 0 where it is there then, else the system's error.
    private static func make(alone folder: FilePath) -> Int32 {
        guard folder.withCString({ mkdir($0, 0o777) }) != 0 else { return 0 }
        let reason = errno
        return FileStatus(folder)?.kind == .folder ? 0 : reason
    }

    /// Checks that a file can be made at a path, before the work that leads to it.
    ///
    /// - Parameter makesFolders: whether folders that are missing are made.
    /// - Throws: `FileOutputError`.
    public static func check(
        _ path: FilePath, makesFolders: Bool = false
    ) throws(FileOutputError) {
        guard case .file(let target, let status) = OutputTarget(path) else {
            if FileStatus(path)?.kind == .folder {
                throw FileOutputError(path, EISDIR)
            }
            return
        }
        if makesFolders { try make(target.folder) }
        try OutputFile.check(path, target, status)
        guard target.folder.withCString({ access($0, W_OK | X_OK) }) == 0 else {
            throw FileOutputError(path)
        }
    }

    /// Makes a new name in a folder survive a power failure, where the system can.
    static func synchronize(_ folder: FilePath) {
        let descriptor = folder.withCString { open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }
}
