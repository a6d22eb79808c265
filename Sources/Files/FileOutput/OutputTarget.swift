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
    /// A device or a pipe, which is written to directly.
    case special(FilePath)
    /// A regular file, or one that does not exist yet, after its symbolic links.
    case file(FilePath, FileStatus?)

    /// - Throws: `FileOutputError` if the system does not say what is there.
    init(_ path: FilePath) throws(FileOutputError) {
        guard path != .standardStream else {
            self = .stream(STDOUT_FILENO)
            return
        }
        guard let status = try FileStatus.ofOutput(path) else {
            self = .file(path.followingLinks(), nil)
            return
        }
        guard status.kind == .file else {
            self = .special(path)
            return
        }
        // Replacing the file that the shell has opened would leave the shell's descriptor on the old file.
        let stream = [STDOUT_FILENO, STDERR_FILENO].first {
            FileStatus(descriptor: $0)?.identity == status.identity
        }
        if let stream {
            self = .stream(stream)
        } else if let file = path.resolved() {
            self = .file(file, status)
        } else {
            throw FileOutputError(path)
        }
    }
}

extension FileStatus {
    /// The status of a file that will be written; nil if there is none.
    ///
    /// - Throws: `FileOutputError` if the system does not say.
    static func ofOutput(_ path: FilePath) throws(FileOutputError) -> FileStatus? {
        do { return try lookedUp(path) } catch { throw FileOutputError(path, error.code) }
    }
}

extension FilePath {
    /// The path `-`: standard output for an output, standard input for an input.
    public static let standardStream = FilePath("-")
}

/// The folders that outputs go to.
public enum OutputFolder {
    /// Creates a folder and its missing parents.
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

    /// Creates a folder whose parent exists; 0 if the folder exists afterwards, else the error number.
    private static func make(alone folder: FilePath) -> Int32 {
        guard folder.withCString({ mkdir($0, 0o777) }) != 0 else { return 0 }
        let reason = errno
        guard let status = FileStatus(folder) else { return reason == EEXIST ? errno : reason }
        return status.kind == .folder ? 0 : reason
    }

    /// Checks that a file can be created at a path, before the work whose result it gets.
    ///
    /// - Parameter makesFolders: whether missing folders will be created.
    /// - Throws: `FileOutputError`.
    public static func check(
        _ path: FilePath, makesFolders: Bool = false
    ) throws(FileOutputError) {
        guard case .file(let target, let status) = try OutputTarget(path) else {
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

    /// Synchronises a folder, so that a new name in it survives a power failure where the system supports that;
    /// false with `errno` set on failure.
    static func synchronize(_ folder: FilePath) -> Bool {
        let descriptor = uninterrupted {
            folder.withCString { open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        }
        // A folder may be writable without being readable.
        guard descriptor >= 0 else { return errno == EACCES }
        defer { close(descriptor) }
        return uninterrupted { fsync(descriptor) } == 0 || [EINVAL, ENOTSUP, EROFS].contains(errno)
    }
}
