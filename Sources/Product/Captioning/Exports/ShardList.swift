// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation

/// The shards that a job has written to a folder: a hidden file beside them, by which they are told from
/// those of others.
struct ShardList: Codable {
    /// The prompts, the model and the settings.
    let job: String
    /// Where the job's records are.
    let records: String
    /// The names of the shards, sorted.
    var shards: [String]

    private static let start = ".trimllava-shards"

    /// The list of a part of the pictures, or of all of them, in a folder.
    static func path(in folder: FilePath, part: Shard?) -> FilePath {
        let part = part.map { "-\($0.index + 1)-of-\($0.count)" } ?? ""
        return folder.appending(Array("\(start)\(part).json".utf8))
    }

    /// Reads a list; nil where there is none that can be read.
    init?(_ path: FilePath) {
        guard let bytes = try? FileBytes.contents(path),
            let list = try? JSONDecoder().decode(Self.self, from: Data(bytes))
        else { return nil }
        self = list
    }

    init(job: String, records: String, shards: [String]) {
        self.job = job
        self.records = records
        self.shards = shards
    }

    /// The lists of all parts in a folder.
    static func all(in folder: FilePath) -> [(path: FilePath, list: ShardList)] {
        (FolderEntry.entries(of: folder) ?? []).compactMap { entry in
            guard entry.path.name.starts(with: start.utf8) else { return nil }
            return ShardList(entry.path).map { (entry.path, $0) }
        }
    }

    /// Writes the list; folders that are missing are made.
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
