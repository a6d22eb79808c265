// SPDX-License-Identifier: Apache-2.0

/// Pictures with their captions as webdataset shards: for each picture `KEY.jpg`, `KEY.txt` and `KEY.json`,
/// the latter with its records.
///
/// An archive becomes one of the same name and keeps its members' names. Other pictures go to shards of
/// 1000, and are numbered.
public struct ShardExport {
    /// Pictures of a shard: about as many as img2dataset takes, so that one fits memory.
    static let picturesPerShard = 1000

    private let table: CaptionTable
    private let folder: FilePath
    private let part: Shard?

    /// - Parameter part: the part of the pictures that this process has, which shards are named by.
    public init(_ table: CaptionTable, to folder: FilePath, part: Shard?) {
        self.table = table
        self.folder = folder
        self.part = part
    }

    /// Writes all pictures that have all their captions and are as they were then.
    ///
    /// - Throws: `CaptioningError`.
    public func write(_ pictures: [PictureReference]) throws(CaptioningError) {
        let complete = pictures.filter {
            table[$0]?.captions.count == table.promptCount
        }
        var (files, members) = ([PictureReference](), [FilePath: [PictureReference]]())
        for picture in complete {
            switch picture.place {
            case .file: files.append(picture)
            case .member(let archive, _, _): members[archive, default: []].append(picture)
            }
        }
        for (index, start) in stride(from: 0, to: files.count, by: Self.picturesPerShard)
            .enumerated()
        {
            let end = min(start + Self.picturesPerShard, files.count)
            let writer = try ArchiveWriter(shardPath(Array(padded(index, 5).utf8)))
            for number in start..<end { try add(files[number], number: number, to: writer) }
            try writer.finish()
        }
        for archive in members.keys.sorted() {
            try copy(archive, members[archive] ?? [])
        }
    }

    private func shardPath(_ name: [UInt8]) -> FilePath {
        let part = part.map { "\($0.index + 1)-of-\($0.count)-" } ?? ""
        return folder.appending(Array(part.utf8) + name + Array(".tar".utf8))
    }

    private func add(
        _ picture: PictureReference, number: Int, to writer: ArchiveWriter
    ) throws(CaptioningError) {
        guard let status = FileStatus(picture.path),
            status.version == table[picture]?.captions[0]?.version
        else { return }
        let bytes = try FileBytes.contents(picture.path)
        try add(
            FilePath(padded(number, 9)), picture.path.fileExtension, bytes, picture,
            status.version, to: writer)
    }

    /// Copies an archive's pictures and puts their captions behind each.
    private func copy(
        _ archive: FilePath, _ pictures: [PictureReference]
    ) throws(CaptioningError) {
        var byPosition: [Int: [PictureReference]] = [:]
        for picture in pictures {
            if case .member(_, let position, _) = picture.place {
                byPosition[position, default: []].append(picture)
            }
        }
        let writer = try ArchiveWriter(
            shardPath(FilePath(archive.name).withoutArchiveExtension.bytes))
        do {
            let reader = try ArchiveReader(archive)
            while let member = try reader.next() {
                let pictures = (byPosition[member.position] ?? []).filter {
                    guard case .member(_, _, let header) = $0.place else { return false }
                    return header == member.header
                }
                guard !pictures.isEmpty else { continue }
                let bytes = try reader.contents(limit: .max)
                for picture in pictures {
                    guard let name = picture.memberName else { continue }
                    try add(
                        name.withoutExtension, name.fileExtension, bytes, picture, member.version,
                        to: writer)
                }
            }
        } catch let error as ArchiveReader.Failure {
            throw .unreadable(path: archive.text, reason: error.reason)
        } catch let error as CaptioningError {
            throw error
        } catch {
            preconditionFailure("an error of no known part: \(error)")
        }
        try writer.finish()
    }

    private func add(
        _ key: FilePath, _ suffix: String, _ bytes: [UInt8], _ picture: PictureReference,
        _ version: FileVersion, to writer: ArchiveWriter
    ) throws(CaptioningError) {
        guard let row = table[picture] else { return }
        let seconds = version.modified / 1_000_000_000
        let caption = Sidecars.text(of: row.captions.compactMapValues(\.text)) + "\n"
        let lines = row.captions.sorted { $0.key < $1.key }.map { $0.value.line().dropLast() }
        let list = Array(lines.joined(separator: [UInt8(ascii: ",")]))
        let json = lines.count == 1 ? list : Array("[".utf8) + list + Array("]".utf8)
        try writer.add(key.adding("." + suffix), bytes, modified: seconds)
        try writer.add(key.adding(".txt"), Array(caption.utf8), modified: seconds)
        try writer.add(key.adding(".json"), json, modified: seconds)
    }

    private func padded(_ number: Int, _ digits: Int) -> String {
        let text = "\(number)"
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}

extension FilePath {
    /// The path without `.tar`, `.tgz` or `.tar.gz` and the like.
    var withoutArchiveExtension: FilePath {
        let path = withoutExtension
        return path.fileExtension == "tar" ? path.withoutExtension : path
    }
}
