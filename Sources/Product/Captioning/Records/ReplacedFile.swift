// SPDX-License-Identifier: Apache-2.0
import TrimLLaVA

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file that is written aside, in the same folder, and gets its name once it is whole.
final class ReplacedFile {
    private static let bufferLength = 1 << 16

    private let path: FilePath
    private let aside: FilePath
    private var descriptor: Int32
    private var buffer: [UInt8] = []

    /// Begins a file; folders that are missing are made.
    ///
    /// - Throws: `CaptioningError.unwritable`.
    init(_ path: FilePath) throws(CaptioningError) {
        self.path = path
        aside = Self.aside(path)
        guard Self.makeFolder(path.folder) else { throw Self.unwritable(path) }
        descriptor = aside.withCString {
            open($0, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        }
        guard descriptor >= 0 else { throw Self.unwritable(path) }
    }

    deinit { abandon() }

    /// Writes a whole file.
    ///
    /// - Throws: `CaptioningError.unwritable`; then nothing is left behind.
    static func write(_ bytes: [UInt8], to path: FilePath) throws(CaptioningError) {
        let file = try ReplacedFile(path)
        try file.append(bytes)
        try file.finish()
    }

    /// Adds bytes at the end.
    func append(_ bytes: some Sequence<UInt8>) throws(CaptioningError) {
        buffer += bytes
        if buffer.count >= Self.bufferLength { try flush() }
    }

    /// Gives the file its name, as it is on the disk.
    func finish() throws(CaptioningError) {
        try flush()
        guard fsync(descriptor) == 0 else { throw Self.unwritable(path) }
        let isClosed = close(descriptor) == 0
        descriptor = -1
        guard isClosed, Self.name(aside, path) else {
            let error = Self.unwritable(path)
            Self.remove(aside)
            throw error
        }
    }

    private func flush() throws(CaptioningError) {
        guard writeAll(buffer, to: descriptor) else {
            let error = Self.unwritable(path)
            abandon()
            throw error
        }
        buffer.removeAll(keepingCapacity: true)
    }

    private func abandon() {
        guard descriptor >= 0 else { return }
        close(descriptor)
        descriptor = -1
        Self.remove(aside)
    }

    /// Where a file is written until it is whole: a name as short for any path, and the same when it is tried
    /// again.
    static func aside(_ path: FilePath) -> FilePath {
        let digits = SHA256.text(of: path.text).prefix(16)
        return path.folder.appending(Array(".trimllava-\(digits).tmp".utf8))
    }

    /// Removes what was written aside.
    static func remove(_ aside: FilePath) { _ = aside.withCString { unlink($0) } }

    /// Gives what was written aside its name.
    static func name(_ aside: FilePath, _ path: FilePath) -> Bool {
        aside.withCString { old in path.withCString { rename(old, $0) } } == 0
    }

    /// Makes a folder and those that it is in, where they are missing.
    static func makeFolder(_ folder: FilePath) -> Bool {
        if folder.withCString({ mkdir($0, 0o755) }) == 0 || errno == EEXIST { return true }
        guard errno == ENOENT, folder.folder != folder else { return false }
        return makeFolder(folder.folder)
            && (folder.withCString { mkdir($0, 0o755) } == 0 || errno == EEXIST)
    }

    /// The error that the operating system reported last.
    static func unwritable(_ path: FilePath) -> CaptioningError {
        let code = errno
        return [ENOSPC, EDQUOT].contains(code)
            ? .outOfSpace(path: path.text, reason: systemReason(code))
            : .unwritable(path: path.text, reason: systemReason(code))
    }
}
