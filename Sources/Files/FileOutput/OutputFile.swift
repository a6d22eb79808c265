// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file that is written as a whole.
///
/// All files of this project are written by this class.
///
/// A regular file is written to a temporary file in the same folder, synchronised, and renamed. Nobody ever
/// sees half of it, and an old file stays until it is replaced. The new file gets the mode of the old one,
/// and its owner where the system allows that. Symbolic links are followed. Devices and pipes are written to
/// directly, and `-` is standard output.
public final class OutputFile {
    private static let bufferLength = 1 << 16

    private let path: FilePath
    private let target: OutputTarget
    private var aside: FileAside?
    /// The open descriptor, for libraries that write by themselves.
    ///
    /// They may write only before the first `append`.
    public private(set) var descriptor: Int32
    private var buffer: [UInt8] = []

    /// Whether the output is a regular file, old or new.
    ///
    /// Only such a file can be kept open.
    public var isReplacement: Bool { aside != nil }

    /// Begins to write a file.
    ///
    /// - Parameters:
    ///   - path: `-` stands for standard output.
    ///   - makesFolders: whether to create missing folders.
    /// - Throws: `FileOutputError`.
    public init(_ path: FilePath, makesFolders: Bool = false) throws(FileOutputError) {
        self.path = path
        target = try OutputTarget(path)
        switch target {
        case .stream(let stream):
            descriptor = stream
        case .special(let path):
            descriptor = uninterrupted { path.withCString { open($0, O_WRONLY | O_CLOEXEC) } }
            guard descriptor >= 0 else { throw FileOutputError(path) }
        case .file(let file, let status):
            if makesFolders { try OutputFolder.make(file.folder) }
            try Self.check(path, file, status)
            // The temporary file must not be readable for anyone who may not read the old file.
            let mode: mode_t = status == nil ? 0o666 : 0o600
            guard let aside = FileAside(beside: file, mode: mode) else {
                throw FileOutputError(path)
            }
            self.aside = aside
            descriptor = aside.descriptor
        }
    }

    deinit { abandon() }

    /// Refuses read-only files, which could be renamed over, and paths without a file name.
    static func check(
        _ path: FilePath, _ file: FilePath, _ status: FileStatus?
    ) throws(FileOutputError) {
        guard !file.name.isEmpty else {
            throw FileOutputError(path, ENOENT)
        }
        guard file.name.count <= Int(NAME_MAX) else {
            throw FileOutputError(path, ENAMETOOLONG)
        }
        // The links form a circle.
        guard status != nil || !file.isLink else { throw FileOutputError(path, ELOOP) }
        if status != nil, file.withCString({ access($0, W_OK) }) != 0 {
            throw FileOutputError(path)
        }
    }

    /// Writes a whole file.
    ///
    /// - Throws: `FileOutputError`; an old file is unchanged then.
    public static func write(
        _ bytes: some Sequence<UInt8>, to path: FilePath, makesFolders: Bool = false
    ) throws(FileOutputError) {
        let file = try OutputFile(path, makesFolders: makesFolders)
        try file.append(bytes)
        try file.finish()
    }

    /// Adds bytes at the end.
    ///
    /// - Throws: `FileOutputError`; an old file is unchanged then, and nothing more can be written.
    public func append(_ bytes: some Sequence<UInt8>) throws(FileOutputError) {
        buffer += bytes
        if buffer.count >= Self.bufferLength { try flush() }
    }

    /// Adds bytes at the end without copying them.
    ///
    /// - Throws: `FileOutputError`, as `append` of a sequence.
    public func append(_ bytes: UnsafeRawBufferPointer) throws(FileOutputError) {
        try flush()
        guard writeAll(bytes, to: descriptor) else { throw failed() }
    }

    /// Completes the file: synchronises it and renames it.
    ///
    /// - Throws: `FileOutputError`; an old file is unchanged then, unless only its folder cannot be synchronised.
    public func finish() throws(FileOutputError) {
        try complete()
        let done = descriptor
        if aside != nil {
            aside = nil
            descriptor = -1
            closeUnlocked(done)
        } else if case .special = target {
            descriptor = -1
            // An interrupted call has closed the file, too.
            guard close(done) == 0 || errno == EINTR else { throw FileOutputError(path) }
        }
    }

    /// Completes a regular file and returns its descriptor, open and locked.
    ///
    /// - Throws: `FileOutputError`, as `finish`.
    public func finishAndKeepOpen() throws(FileOutputError) -> Int32 {
        try complete()
        defer { descriptor = -1 }
        aside = nil
        return descriptor
    }

    private func complete() throws(FileOutputError) {
        try flush()
        guard aside != nil, case .file(let file, let status) = target else { return }
        if let status { try takeRights(of: status) }
        guard aside?.take(nameOf: file) == true else { throw failed() }
    }

    /// Gives the new file the owner and the mode of the old one.
    ///
    /// Only the superuser may change the owner. Others may still set a group that they belong to.
    private func takeRights(of old: FileStatus) throws(FileOutputError) {
        if fchown(descriptor, old.owner, old.group) != 0 {
            _ = fchown(descriptor, uid_t.max, old.group)
        }
        guard fchmod(descriptor, old.mode) != 0 else { return }
        // Some file systems have one mode for all files.
        let error = FileOutputError(path)
        guard FileStatus(descriptor: descriptor)?.mode != old.mode else { return }
        abandon()
        throw error
    }

    private func flush() throws(FileOutputError) {
        guard writeAll(buffer, to: descriptor) else { throw failed() }
        buffer.removeAll(keepingCapacity: true)
    }

    private func failed() -> FileOutputError {
        let error = FileOutputError(path)
        abandon()
        return error
    }

    private func abandon() {
        if let aside {
            aside.remove()
            self.aside = nil
            descriptor = -1
        } else if case .special = target, descriptor >= 0 {
            close(descriptor)
            descriptor = -1
        }
    }
}
