// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Captions as Hugging Face's ImageFolder reads them: a `metadata.jsonl` in the folder of the pictures, or
/// above it, with their paths below it.
///
/// Captions of several prompts are the columns `text`, `text_2` and so on.
public enum MetadataExport {
    /// Writes the captions; pictures without any are left out.
    ///
    /// - Throws: `CaptioningError.unwritable`.
    public static func write(_ table: CaptionTable, to path: FilePath) throws(CaptioningError) {
        let file = try ReplacedFile(path)
        let root = path.folder.resolved()
        var folders: [FilePath: FilePath] = [:]
        for row in table.rows where !row.captions.isEmpty {
            let folder = row.path.folder
            let resolved = folders[folder] ?? folder.resolved() ?? folder
            folders[folder] = resolved
            var columns = ["file_name": relative(resolved.appending(row.path.name), root, row.path)]
            for (prompt, record) in row.captions {
                columns[prompt == 0 ? "text" : "text_\(prompt + 1)"] = record.text
            }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            guard let line = try? encoder.encode(columns) else {
                preconditionFailure("texts can be encoded")
            }
            try file.append(line + [UInt8(ascii: "\n")])
        }
        try file.finish()
    }

    /// The path below a folder, or as it was given where it is not there.
    private static func relative(
        _ resolved: FilePath, _ root: FilePath?, _ given: FilePath
    ) -> String {
        guard let root else { return given.text }
        let start = root.appending([]).bytes
        guard resolved.bytes.starts(with: start) else { return given.text }
        return FilePath(resolved.bytes.dropFirst(start.count)).text
    }
}
