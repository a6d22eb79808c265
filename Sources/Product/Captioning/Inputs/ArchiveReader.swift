// SPDX-License-Identifier: Apache-2.0
import CArchive
import FileOutput

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Reads the members of a tar archive, compressed or not, in order.
final class ArchiveReader {
    /// An archive's description of a member.
    struct Member {
        /// Its path as the archive stores it.
        let name: [UInt8]
        /// The number of members before it.
        let position: Int
        let kind: Kind
        let version: FileVersion

        /// Whether it has its own contents.
        var isFile: Bool { kind == .file }
        /// Must be equal when the member is read again.
        var header: MemberHeader { MemberHeader(name: name, version: version) }
    }

    /// What a member is.
    enum Kind: Equatable {
        case file
        case folder
        /// Another name of the given member.
        case hardLink(to: [UInt8])
        /// A link to a path relative to the link's folder.
        case symbolicLink(to: [UInt8])
        case other
    }

    /// Why reading an archive ended.
    struct Failure: Error {
        let reason: String
    }

    private let archive: OpaquePointer
    private let descriptor: Int32
    private var position = -1
    private var hasEnded = false

    /// Whether a file is a readable archive: by its name or, unless it has the name of a picture, by its content.
    static func isArchive(_ path: FilePath) -> Bool {
        switch path.fileExtension {
        case "tar", "tgz", "tbz2", "tbz", "txz", "tzst": true
        case "gz", "zst", "xz", "bz2", "lz4", "lzma", "z":
            path.withoutExtension.fileExtension == "tar" || beginsAsArchive(path)
        case let name where PictureReference.extensions.contains(name): false
        default: beginsAsArchive(path)
        }
    }

    /// Whether the content begins with a member of a tar archive, compressed or not.
    private static func beginsAsArchive(_ path: FilePath) -> Bool {
        do {
            return try ArchiveReader(path).next() != nil
        } catch {
            return false
        }
    }

    /// Opens an archive.
    init(_ path: FilePath) throws(Failure) {
        descriptor = uninterrupted { path.withCString { open($0, O_RDONLY | O_CLOEXEC) } }
        guard descriptor >= 0 else { throw Failure(reason: "cannot be read: \(systemReason())") }
        guard let archive = archive_read_new() else {
            close(descriptor)
            throw Failure(reason: "no memory")
        }
        self.archive = archive
        archive_read_support_filter_all(archive)
        archive_read_support_format_tar(archive)
        // Without this, names would have to be valid text in the process's locale.
        archive_read_set_options(archive, "hdrcharset=BINARY")
        let blockLength = 1 << 16
        try check(archive_read_open_fd(archive, descriptor, blockLength))
    }

    deinit {
        archive_read_free(archive)
        close(descriptor)
    }

    /// The next member, or nil after the last.
    func next() throws(Failure) -> Member? {
        guard !hasEnded else { return nil }
        var entry: OpaquePointer?
        let code = archive_read_next_header(archive, &entry)
        hasEnded = code == ARCHIVE_EOF
        if hasEnded { return nil }
        try check(code)
        guard let entry else { return nil }
        position += 1
        guard let name = archive_entry_pathname(entry) else {
            throw Failure(reason: "member \(position + 1) has no name that can be read")
        }
        let seconds = Int(archive_entry_mtime(entry))
        return Member(
            name: bytes(name), position: position, kind: kind(of: entry),
            version: FileVersion(
                size: Int(archive_entry_size(entry)),
                modified: seconds &* 1_000_000_000 &+ Int(archive_entry_mtime_nsec(entry))))
    }

    /// The contents of the member that `next` returned last; `next` skips contents that are not read.
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
                    reason: "longer than \(limit) bytes, the limit of picture files")
            }
        }
    }

    private func kind(of entry: OpaquePointer) -> Kind {
        // Some formats store the contents with a hard link.
        if let target = archive_entry_hardlink(entry), archive_entry_size(entry) == 0 {
            return .hardLink(to: bytes(target))
        }
        switch Int32(archive_entry_filetype(entry)) {
        case S_IFREG: return .file
        case S_IFDIR: return .folder
        case S_IFLNK:
            return archive_entry_symlink(entry).map { .symbolicLink(to: bytes($0)) } ?? .other
        default: return .other
        }
    }

    private func bytes(_ text: UnsafePointer<CChar>) -> [UInt8] {
        Array(UnsafeRawBufferPointer(start: text, count: strlen(text)))
    }

    private func check(_ code: Int32) throws(Failure) {
        guard code >= ARCHIVE_WARN else { throw Failure(reason: message) }
    }

    private var message: String { archiveMessage(archive) ?? "damaged" }
}

/// Why a call of libarchive failed; nil if it does not say.
///
/// Its own texts lack the operating system's reasons.
func archiveMessage(_ archive: OpaquePointer) -> String? {
    guard let text = archive_error_string(archive).map({ String(cString: $0) }) else { return nil }
    let code = archive_errno(archive)
    // The numbers that it uses for what is wrong with an archive or a call of its own.
    guard code > 0, code != EILSEQ, code != EINVAL else { return text }
    return "\(text): \(systemReason(code))"
}
