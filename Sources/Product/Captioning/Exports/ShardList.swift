// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation

/// The list of the shards that a job has written to a folder.
///
/// It is a hidden file beside them and distinguishes them from the shards of others.
struct ShardList: Codable {
    /// A hash of the prompts and settings.
    let job: String
    /// The path of the job's record file.
    let records: String
    /// The names of the shards, sorted.
    var shards: [String]

    private static let start = ".trimllava-shards"

    /// The path of the list in a folder, for a part of the pictures or all of them.
    static func path(in folder: FilePath, part: Shard?) -> FilePath {
        let part = part.map { "-\($0.index + 1)-of-\($0.count)" } ?? ""
        return folder.appending(Array("\(start)\(part).json".utf8))
    }

    /// Reads a list; nil if there is none, or a file of something else.
    ///
    /// - Throws: `CaptioningError.unreadable`.
    init?(_ path: FilePath) throws(CaptioningError) {
        guard try FileStatus.present(path) != nil else { return nil }
        let bytes = try FileBytes.contents(path)
        guard let list = try? JSONDecoder().decode(Self.self, from: Data(bytes)) else { return nil }
        self = list
    }

    init(job: String, records: String, shards: [String]) {
        self.job = job
        self.records = records
        self.shards = shards
    }

    /// The lists of all parts among the entries of a folder.
    ///
    /// - Throws: `CaptioningError.unreadable`.
    static func all(
        among entries: [FolderEntry]
    ) throws(CaptioningError) -> [(path: FilePath, list: ShardList)] {
        var lists: [(FilePath, ShardList)] = []
        for entry in entries where entry.path.name.starts(with: start.utf8) {
            if let list = try ShardList(entry.path) { lists.append((entry.path, list)) }
        }
        return lists
    }

    /// Writes the list and creates missing folders.
    ///
    /// - Throws: `CaptioningError.unwritable`.
    func write(to path: FilePath) throws(CaptioningError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(self) else {
            preconditionFailure("texts can be encoded")
        }
        try writing { () throws(FileOutputError) in
            try OutputFile.write(data + [UInt8(ascii: "\n")], to: path, makesFolders: true)
        }
    }
}
