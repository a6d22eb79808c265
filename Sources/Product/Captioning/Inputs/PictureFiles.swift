// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Imaging
import TrimLLaVA

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Reads the bytes of pictures.
///
/// An archive stays open from one member to the next.
final class PictureFiles {
    private var archive: (path: FilePath, reader: ArchiveReader, next: Int)?
    /// The last member that was read; links may lead to it.
    private var last: (path: FilePath, position: Int, header: MemberHeader, bytes: [UInt8])?

    /// Reads a picture's file or its member of an archive.
    ///
    /// - Throws: `LoadFailure` or `ImagingError`, also if it has changed since it was listed.
    func read(_ picture: PictureReference) throws -> (bytes: [UInt8], version: FileVersion) {
        switch picture.place {
        case .file:
            return try readFile(picture.path)
        case .member(let archive, let position, let header):
            if let last, last.path == archive, last.position == position, last.header == header {
                return (last.bytes, header.version)
            }
            do {
                let bytes = try readMember(position, header, of: archive)
                last = (archive, position, header, bytes)
                return (bytes, header.version)
            } catch let error as ArchiveReader.Failure {
                self.archive = nil
                throw LoadFailure(reason: "\(archive.text): \(error.reason)")
            }
        }
    }

    private func readFile(_ path: FilePath) throws -> ([UInt8], FileVersion) {
        let unreadable = { LoadFailure(reason: "\(path.text): cannot be read: \(systemReason())") }
        // Without O_NONBLOCK, opening a pipe would wait for a writer. It has no effect on files.
        let descriptor = uninterrupted {
            path.withCString { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
        }
        guard descriptor >= 0 else { throw unreadable() }
        defer { close(descriptor) }
        guard let status = FileStatus(descriptor: descriptor) else { throw unreadable() }
        guard status.kind == .file else {
            throw LoadFailure(reason: "\(path.text): is not a regular file")
        }
        let bytes = try PictureDecoder.contents(of: descriptor, name: path.text)
        guard let after = FileStatus(descriptor: descriptor) else { throw unreadable() }
        guard after.version == status.version else {
            throw LoadFailure(reason: "\(path.text): was changed while it was being read")
        }
        return (bytes, status.version)
    }

    private func readMember(
        _ position: Int, _ header: MemberHeader, of path: FilePath
    ) throws -> [UInt8] {
        if archive?.path != path || (archive?.next ?? 0) > position {
            archive = (path, try ArchiveReader(path), 0)
        }
        while let (_, reader, next) = archive {
            guard let member = try reader.next() else { break }
            archive?.next += 1
            guard next == position else { continue }
            guard member.header == header else {
                throw LoadFailure(
                    reason: "\(path.text): was replaced: "
                        + "member \(position + 1) is not the one that was listed")
            }
            return try reader.contents(limit: PictureLimits.fileBytes)
        }
        throw LoadFailure(
            reason: "\(path.text): was replaced: it no longer has a member \(position + 1)")
    }
}
