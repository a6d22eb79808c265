// SPDX-License-Identifier: Apache-2.0
import FileOutput
import TrimLLaVA

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Pictures with their captions as webdataset shards.
///
/// Each picture has `KEY.jpg`, `KEY.txt` and, with its records, `KEY.json`.
///
/// An archive becomes a shard of the same name and keeps the names of its members. Other pictures are numbered
/// and go to shards of 1000. A folder with shards of another job is refused.
public struct ShardExport {
    /// The pictures of a shard, few enough that one fits into memory.
    static let picturesPerShard = 1000

    private let folder: FilePath
    private let part: Shard?
    private let joint: String
    private let job: String
    private let records: FilePath

    /// - Parameters:
    ///   - records: the record file, which distinguishes this job from others.
    ///   - part: this process's part of the pictures, which the names of its shards begin with.
    ///   - joint: the text between the captions of several prompts.
    public init(
        to folder: FilePath, of job: RecordIdentity, records: FilePath, part: Shard?,
        joint: String = Sidecars.lineEnd
    ) {
        self.folder = folder
        self.part = part
        self.joint = joint
        self.job = ContentHash.text(of: ([job.settings] + job.promptHashes).joined(separator: " "))
        self.records = records
    }

    /// The shards that the pictures may go to.
    public func paths(_ pictures: [PictureReference]) -> [FilePath] {
        Plan(pictures).shards.map { path(of: $0.name) }
    }

    /// Refuses inputs whose shards would have the same name, and a folder with shards that the job did not write.
    ///
    /// - Throws: `CaptioningError`.
    public func check(_ pictures: [PictureReference]) throws(CaptioningError) {
        var sources: [FilePath: String] = [:]
        for shard in Plan(pictures).shards {
            let path = path(of: shard.name)
            if let other = sources[path] {
                throw .sameShard(
                    name: path.text, first: other, second: shard.source)
            }
            sources[path] = shard.source
        }
        let listPath = ShardList.path(in: folder, part: part)
        var known: Set<[UInt8]> = []
        let (entries, recordsName) = (try self.entries(), try self.recordsName())
        for (path, list) in try ShardList.all(among: entries) where list.job == job {
            // Other parts of the pictures have their own records.
            guard path != listPath || list.records == recordsName else { continue }
            known.formUnion(list.shards.map { Array($0.utf8) })
        }
        for entry in entries
        where entry.path.fileExtension == "tar" && !entry.path.isHidden {
            guard known.contains(Array(entry.path.name)) else {
                throw .foreignShards(
                    folder: folder.text,
                    shard: String(decoding: entry.path.name, as: UTF8.self))
            }
        }
    }

    /// What the folder has; nothing if it does not exist yet.
    private func entries() throws(CaptioningError) -> [FolderEntry] {
        guard try FileStatus.present(folder) != nil else { return [] }
        guard let entries = FolderEntry.entries(of: folder) else {
            throw .unreadable(path: folder.text, reason: systemReason())
        }
        return entries
    }

    /// The path of the record file, the same however the user spells it.
    private func recordsName() throws(CaptioningError) -> String {
        do {
            let folder = try records.folder.lookedUp() ?? records.folder
            return folder.appending(records.name).text
        } catch {
            throw .unreadable(path: error.path, reason: error.reason)
        }
    }

    /// Writes the pictures that have all of their captions and have not changed since.
    ///
    /// Deletes shards of earlier runs of the job that are left over.
    ///
    /// - Returns: the pictures that have changed, which the shards lack.
    /// - Throws: `CaptioningError`.
    public func write(
        _ pictures: [PictureReference], _ table: CaptionTable
    ) throws(CaptioningError) -> [InputFailure] {
        let plan = Plan(
            pictures.filter { table[$0]?.captions.count == table.promptCount })
        let listPath = ShardList.path(in: folder, part: part)
        let before = Set(try ShardList(listPath)?.shards ?? [])
        let names = plan.shards.map { String(decoding: path(of: $0.name).name, as: UTF8.self) }
        var list = ShardList(
            job: job, records: try recordsName(), shards: before.union(names).sorted())
        // The list is written first, so after an interruption the next run recognises the shards as its own.
        try list.write(to: listPath)
        var changed: [PictureReference] = []
        for shard in plan.shards {
            let writer = try ArchiveWriter(path(of: shard.name))
            switch shard.content {
            case .files(let first, let files):
                for (index, file) in files.enumerated() {
                    let isAdded = try add(file, number: first + index, table, to: writer)
                    if !isAdded { changed.append(file) }
                }
            case .members(let archive, let members):
                let added = try copy(archive, members, table, to: writer)
                changed += members.filter { !added.contains($0) }
            }
            try writer.finish()
        }
        for name in before.subtracting(names) {
            _ = folder.appending(Array(name.utf8)).withCString { unlink($0) }
        }
        list.shards = names.sorted()
        try list.write(to: listPath)
        return changed.map {
            InputFailure(
                path: $0.path, reason: "has changed since it was captioned; it is in no shard")
        }
    }

    private func path(of name: [UInt8]) -> FilePath {
        let part = part.map { "\($0.index + 1)-of-\($0.count)-" } ?? ""
        return folder.appending(Array(part.utf8) + name + Array(".tar".utf8))
    }

    /// Adds a picture; false if it is no longer the one that was captioned.
    private func add(
        _ picture: PictureReference, number: Int, _ table: CaptionTable, to writer: ArchiveWriter
    ) throws(CaptioningError) -> Bool {
        guard let row = table[picture], let status = try FileStatus.present(picture.path),
            status.version == row.captions[0]?.version
        else { return false }
        let bytes = try FileBytes.contents(picture.path)
        try add(
            FilePath(Plan.padded(number, 9)), picture.path.fileExtension, bytes, row,
            status.version, to: writer)
        return true
    }

    /// Copies an archive's pictures, each followed by its captions.
    ///
    /// - Returns: the pictures that are still there.
    private func copy(
        _ archive: FilePath, _ pictures: [PictureReference], _ table: CaptionTable,
        to writer: ArchiveWriter
    ) throws(CaptioningError) -> Set<PictureReference> {
        var copied: Set<PictureReference> = []
        var byPosition: [Int: [PictureReference]] = [:]
        for picture in pictures {
            if case .member(_, let position, _) = picture.place {
                byPosition[position, default: []].append(picture)
            }
        }
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
                    guard let name = picture.memberName, let row = table[picture] else { continue }
                    try add(
                        name.withoutExtension, name.fileExtension, bytes, row, member.version,
                        to: writer)
                    copied.insert(picture)
                }
            }
            return copied
        } catch let error as ArchiveReader.Failure {
            throw .unreadable(path: archive.text, reason: error.reason)
        } catch let error as CaptioningError {
            throw error
        } catch {
            preconditionFailure("an error of no known part: \(error)")
        }
    }

    private func add(
        _ key: FilePath, _ suffix: String, _ bytes: [UInt8], _ row: CaptionTable.Row,
        _ version: FileVersion, to writer: ArchiveWriter
    ) throws(CaptioningError) {
        let seconds = version.modified / 1_000_000_000
        let caption = Sidecars.text(of: row.captions.compactMapValues(\.text), joint) + "\n"
        let lines = row.captions.sorted { $0.key < $1.key }.map { $0.value.line().dropLast() }
        let list = Array(lines.joined(separator: [UInt8(ascii: ",")]))
        let json = lines.count == 1 ? list : Array("[".utf8) + list + Array("]".utf8)
        try writer.add(key.adding("." + suffix), bytes, modified: seconds)
        try writer.add(key.adding(".txt"), Array(caption.utf8), modified: seconds)
        try writer.add(key.adding(".json"), json, modified: seconds)
    }
}

extension ShardExport {
    /// The distribution of pictures to shards.
    private struct Plan {
        enum Content {
            /// Picture files, and the number of the first.
            case files(first: Int, [PictureReference])
            /// Members of an archive.
            case members(of: FilePath, [PictureReference])
        }

        struct PlannedShard {
            /// The name without part and extension.
            let name: [UInt8]
            /// The origin of the pictures, for messages.
            let source: String
            let content: Content
        }

        private(set) var shards: [PlannedShard] = []

        init(_ pictures: [PictureReference]) {
            var files: [PictureReference] = []
            var members: [FilePath: [PictureReference]] = [:]
            for picture in pictures {
                switch picture.place {
                case .file: files.append(picture)
                case .member(let archive, _, _): members[archive, default: []].append(picture)
                }
            }
            for first in stride(from: 0, to: files.count, by: picturesPerShard) {
                let end = min(first + picturesPerShard, files.count)
                shards.append(
                    PlannedShard(
                        name: Array(Self.padded(first / picturesPerShard, 5).utf8),
                        source: files[first].path.text,
                        content: .files(first: first, Array(files[first..<end]))))
            }
            for archive in members.keys.sorted() {
                shards.append(
                    PlannedShard(
                        name: Array(FilePath(archive.name).withoutArchiveExtension.bytes),
                        source: archive.text,
                        content: .members(of: archive, members[archive] ?? [])))
            }
        }

        static func padded(_ number: Int, _ digits: Int) -> String {
            let text = "\(number)"
            return String(repeating: "0", count: max(0, digits - text.count)) + text
        }
    }
}

extension FilePath {
    /// The path without `.tar`, `.tgz` or `.tar.gz` and the like.
    var withoutArchiveExtension: FilePath {
        let path = withoutExtension
        return path.fileExtension == "tar" ? path.withoutExtension : path
    }
}
