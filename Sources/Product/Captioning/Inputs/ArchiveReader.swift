// SPDX-License-Identifier: Apache-2.0
import CArchive

/// Reads the members of a tar archive, compressed or not, one after the other.
final class ArchiveReader {
    /// What the archive says about a member.
    struct Member {
        /// Its path in the archive, as it is stored.
        let name: [UInt8]
        /// Members before it.
        let position: Int
        let isFile: Bool
        let version: FileVersion
    }

    /// Why an archive cannot be read on.
    struct Failure: Error {
        let reason: String
    }

    private let archive: OpaquePointer
    private var position = -1

    /// Whether a file is an archive that can be read: its name says so, or it is not called a picture and begins
    /// as one.
    static func isArchive(_ path: FilePath) -> Bool {
        switch path.fileExtension {
        case "tar", "tgz", "tbz2", "tbz", "txz", "tzst": true
        case "gz", "zst", "xz", "bz2", "lz4", "lzma", "z":
            path.withoutExtension.fileExtension == "tar" || beginsAsArchive(path)
        case let name where PictureReference.extensions.contains(name): false
        default: beginsAsArchive(path)
        }
    }

    /// Whether a file's content begins with a member of a tar archive, compressed or not.
    private static func beginsAsArchive(_ path: FilePath) -> Bool {
        do {
            return try ArchiveReader(path).next() != nil
        } catch {
            return false
        }
    }

    /// Opens an archive.
    init(_ path: FilePath) throws(Failure) {
        guard let archive = archive_read_new() else { throw Failure(reason: "no memory") }
        self.archive = archive
        archive_read_support_filter_all(archive)
        archive_read_support_format_tar(archive)
        // Names are bytes; without this they would have to be text in the process's locale.
        archive_read_set_options(archive, "hdrcharset=BINARY")
        let blockLength = 1 << 16
        try check(path.withCString { archive_read_open_filename(archive, $0, blockLength) })
    }

    deinit { archive_read_free(archive) }

    /// The next member, or nil after the last.
    func next() throws(Failure) -> Member? {
        var entry: OpaquePointer?
        let code = archive_read_next_header(archive, &entry)
        if code == ARCHIVE_EOF { return nil }
        try check(code)
        guard let entry else { return nil }
        position += 1
        guard let name = archive_entry_pathname(entry) else {
            throw Failure(reason: "member \(position + 1) has no name that can be read")
        }
        let seconds = Int(archive_entry_mtime(entry))
        return Member(
            name: Array(FilePath(UnsafeRawBufferPointer(start: name, count: length(name))).bytes),
            position: position, isFile: archive_entry_filetype(entry) == S_IFREG,
            version: FileVersion(
                size: Int(archive_entry_size(entry)),
                modified: seconds &* 1_000_000_000 &+ Int(archive_entry_mtime_nsec(entry))))
    }

    /// The bytes of the member that `next` gave last; the others are passed over.
    func contents(limit: Int) throws(Failure) -> [UInt8] {
        var contents: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = archive_read_data(archive, &chunk, chunk.count)
            guard count >= 0 else { throw Failure(reason: message) }
            guard count > 0 else { return contents }
            contents += chunk[..<count]
            guard contents.count <= limit else {
                throw Failure(
                    reason: "longer than \(limit) bytes, the most that a picture may have")
            }
        }
    }

    private func length(_ text: UnsafePointer<CChar>) -> Int {
        var length = 0
        while text[length] != 0 { length += 1 }
        return length
    }

    private func check(_ code: Int32) throws(Failure) {
        guard code >= ARCHIVE_WARN else { throw Failure(reason: message) }
    }

    private var message: String {
        archive_error_string(archive).map { String(cString: $0) } ?? "damaged"
    }
}
