// SPDX-License-Identifier: Apache-2.0
import CArchive
import FileOutput

/// Writes a tar archive, which appears under its name when it is complete.
final class ArchiveWriter {
    private let archive: OpaquePointer
    private let path: FilePath
    private let file: OutputFile

    /// Begins an archive and creates missing folders.
    ///
    /// - Throws: `CaptioningError.unwritable`.
    init(_ path: FilePath) throws(CaptioningError) {
        self.path = path
        file = try writing { () throws(FileOutputError) in
            try OutputFile(path, makesFolders: true)
        }
        guard let archive = archive_write_new() else {
            throw .unwritable(path: path.text, reason: "no memory")
        }
        self.archive = archive
        // GNU's format stores names of any length and any bytes.
        archive_write_set_format_gnutar(archive)
        try check(archive_write_open_fd(archive, file.descriptor))
    }

    deinit { archive_write_free(archive) }

    /// Adds a file.
    ///
    /// - Parameter modified: seconds since 1970.
    /// - Throws: `CaptioningError.unwritable`.
    func add(_ name: FilePath, _ bytes: [UInt8], modified: Int) throws(CaptioningError) {
        guard let entry = archive_entry_new() else {
            throw .unwritable(path: path.text, reason: "no memory")
        }
        defer { archive_entry_free(entry) }
        name.withCString { archive_entry_copy_pathname(entry, $0) }
        archive_entry_set_size(entry, Int64(bytes.count))
        archive_entry_set_filetype(entry, UInt32(S_IFREG))
        archive_entry_set_perm(entry, 0o644)
        archive_entry_set_mtime(entry, modified, 0)
        try check(archive_write_header(archive, entry))
        guard archive_write_data(archive, bytes, bytes.count) == bytes.count else {
            throw .unwritable(path: path.text, reason: message)
        }
    }

    /// Completes the archive.
    ///
    /// - Throws: `CaptioningError.unwritable`.
    func finish() throws(CaptioningError) {
        try check(archive_write_close(archive))
        try writing { () throws(FileOutputError) in try file.finish() }
    }

    private func check(_ code: Int32) throws(CaptioningError) {
        guard code >= ARCHIVE_WARN else {
            throw .unwritable(path: path.text, reason: message)
        }
    }

    private var message: String { archiveMessage(archive) ?? "unknown" }
}
