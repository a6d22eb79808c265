// SPDX-License-Identifier: Apache-2.0
import TensorOps

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Why a cache file was not written: the operating system's words.
struct PanelWritingError: Error, Equatable {
    let reason: String
}

extension StoredPanels {
    /// Partial files that nobody has written to for so long have no writer any more.
    private static let secondsOfAbandonment = 3600

    /// A matrix on its way to a file.
    typealias NamedMatrix = (name: String, firstRow: Int, matrix: PackedMatrix)

    /// Writes matrices to a file aside, which takes the place of `path` when it is complete and on disk.
    ///
    /// - Parameter onProgress: called with the part that is written, 0 to 1.
    static func write(
        _ matrices: [NamedMatrix], source: String, to path: String,
        onProgress: (Double) -> Void = { _ in }
    ) throws(PanelWritingError) {
        removeAbandoned(besides: path)
        let partial = "\(path).\(getpid())-\(UInt32.random(in: 0 ... .max)).partial"
        let descriptor = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw PanelWritingError(reason: systemMessage()) }
        defer { close(descriptor) }
        do throws(PanelWritingError) {
            try write(matrices, source: source, to: descriptor, onProgress: onProgress)
            guard fsync(descriptor) == 0, rename(partial, path) == 0 else {
                throw PanelWritingError(reason: systemMessage())
            }
        } catch {
            unlink(partial)
            throw error
        }
        synchronizeFolder(of: path)
    }

    private static func write(
        _ matrices: [NamedMatrix], source: String, to descriptor: Int32,
        onProgress: (Double) -> Void
    ) throws(PanelWritingError) {
        let index = PanelCacheIndex(
            source: source, matrices: matrices.map { ($0.name, $0.firstRow, $0.matrix.shape) })
        let head = index.encoded()
        let isWritten = head.withUnsafeBytes { write($0, to: descriptor, at: 0) }
        guard isWritten else { throw PanelWritingError(reason: systemMessage()) }
        for (entry, named) in zip(index.entries, matrices) {
            guard write(named.matrix.bytes, to: descriptor, at: entry.offset) else {
                throw PanelWritingError(reason: systemMessage())
            }
            onProgress(Double(entry.offset + entry.shape.byteCount) / Double(index.fileBytes))
        }
    }

    /// Whether all bytes were written.
    private static func write(
        _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, at offset: Int
    ) -> Bool {
        var written = 0
        while written < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[written...])
            let count = pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset + written))
            guard count > 0 || count < 0 && errno == EINTR else { return false }
            written += max(0, count)
        }
        return true
    }

    /// Makes the new name last beyond a power failure.
    private static func synchronizeFolder(of path: String) {
        let descriptor = open(parts(of: path).folder, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }

    /// Deletes what processes left that ended while they wrote the same file.
    private static func removeAbandoned(besides path: String) {
        let (folder, name) = parts(of: path)
        guard let stream = opendir(folder) else { return }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let found = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) {
                    String(cString: $0)
                }
            }
            guard found.hasPrefix("\(name)."), found.hasSuffix(".partial") else { continue }
            var status = stat()
            let partial = "\(folder)/\(found)"
            guard stat(partial, &status) == 0 else { continue }
            #if os(Linux)
                let changed = status.st_mtim.tv_sec
            #else
                let changed = status.st_mtimespec.tv_sec
            #endif
            if time(nil) - changed > secondsOfAbandonment { unlink(partial) }
        }
    }

    private static func parts(of path: String) -> (folder: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return (".", path) }
        return (String(path[..<slash]), String(path[path.index(after: slash)...]))
    }
}
