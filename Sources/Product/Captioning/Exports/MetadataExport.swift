// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation

/// Captions for Hugging Face's ImageFolder: a `metadata.jsonl` in the folder of the pictures or above it, with
/// their paths relative to it.
///
/// The captions of several prompts are the columns `text`, `text_2` and so on. Rows of other pictures and
/// other columns stay. So do texts that no record contains, such as hand-written ones, unless the export
/// replaces them.
public struct MetadataExport {
    private let path: FilePath
    private let replaces: Bool

    /// An export to a file.
    ///
    /// - Parameter replaces: whether to replace texts of the file that no record contains.
    public init(to path: FilePath, replaces: Bool) {
        self.path = path
        self.replaces = replaces
    }

    /// Checks, before any caption is generated, that every row of an existing file is valid and that `file_name`
    /// can name every picture.
    ///
    /// - Throws: `CaptioningError`.
    public func check(_ pictures: [PictureReference]) throws(CaptioningError) {
        _ = try rows()
        var names = try PictureNames(in: path)
        for picture in pictures {
            guard case .file = picture.place, picture.path.isText,
                try names.name(of: picture.path) != nil
            else {
                throw .outsideMetadata(picture: picture.path.text, metadata: path.text)
            }
        }
    }

    /// Merges the captions into the file.
    ///
    /// Pictures without captions are left out.
    ///
    /// - Returns: the number of texts that were kept although they differ from the captions.
    /// - Throws: `CaptioningError`.
    public func write(_ table: CaptionTable) throws(CaptioningError) -> Int {
        var names = try PictureNames(in: path)
        var captions: [(name: String, row: CaptionTable.Row)] = []
        for row in table.rows where !row.captions.isEmpty {
            let name = try names.name(of: row.path)
            captions.append((name ?? row.path.text, row))
        }
        var places = Dictionary(
            captions.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
        let file = try writing { () throws(FileOutputError) in
            try OutputFile(path, makesFolders: true)
        }
        var keptCount = 0
        for row in try rows() {
            guard let name = row.object.text("file_name"), let place = places[name] else {
                try add(row.bytes, to: file)
                continue
            }
            places[name] = nil
            var object = row.object
            keptCount += merge(captions[place].row, into: &object, table)
            try add(object.bytes, to: file)
        }
        for (name, row) in captions where places[name] != nil {
            var object = JSONObjectLine()
            object.set("file_name", to: name)
            _ = merge(row, into: &object, table)
            try add(object.bytes, to: file)
        }
        try writing { () throws(FileOutputError) in try file.finish() }
        return keptCount
    }

    /// Sets the columns of a picture's captions; returns the number of texts that were kept instead.
    private func merge(
        _ row: CaptionTable.Row, into object: inout JSONObjectLine, _ table: CaptionTable
    ) -> Int {
        var keptCount = 0
        for (prompt, record) in row.captions.sorted(by: { $0.key < $1.key }) {
            let column = prompt == 0 ? "text" : "text_\(prompt + 1)"
            guard let text = record.text, object.text(column) != text else { continue }
            let isOurs = object.text(column).map { table.has($0, of: row.path) } ?? false
            if !object.has(column) || replaces || isOurs {
                object.set(column, to: text)
            } else {
                keptCount += 1
            }
        }
        return keptCount
    }

    private func add(_ line: [UInt8], to file: OutputFile) throws(CaptioningError) {
        try writing { () throws(FileOutputError) in
            try file.append(line)
            try file.append([UInt8(ascii: "\n")])
        }
    }

    /// The rows of the existing file.
    private func rows() throws(CaptioningError) -> [(object: JSONObjectLine, bytes: [UInt8])] {
        guard try FileStatus.present(path)?.kind == .file else { return [] }
        var lines = try FileBytes.contents(path)[...]
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        if lines.starts(with: mark) { lines = lines.dropFirst(mark.count) }
        var rows: [(JSONObjectLine, [UInt8])] = []
        for (index, line) in lines.split(
            separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false
        ).enumerated() {
            let line = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            guard line.contains(where: { !" \t".utf8.contains($0) }) else { continue }
            guard let object = JSONObjectLine(line) else {
                throw .notMetadata(path: path.text, line: index + 1)
            }
            rows.append((object, Array(line)))
        }
        return rows
    }
}

/// What a `metadata.jsonl` calls pictures.
private struct PictureNames {
    private let metadata: FilePath
    /// Its folder without symbolic links; nil if there is none.
    private let folder: FilePath?
    /// The pictures' folders without symbolic links.
    private var folders: [FilePath: FilePath] = [:]

    init(in metadata: FilePath) throws(CaptioningError) {
        self.metadata = metadata
        folder = try Self.resolved(metadata.folder)
    }

    /// A picture's path relative to the file's folder; nil if it is not in that folder.
    ///
    /// - Throws: `CaptioningError.unreadable`.
    mutating func name(of picture: FilePath) throws(CaptioningError) -> String? {
        guard let folder else { return nil }
        if folders[picture.folder] == nil {
            folders[picture.folder] = try Self.resolved(picture.folder)
        }
        let resolved = folders[picture.folder] ?? picture.folder
        return resolved.appending(picture.name).below(folder)
            // ImageFolder follows links to folders elsewhere, too.
            ?? picture.below(metadata.folder)
    }

    private static func resolved(_ folder: FilePath) throws(CaptioningError) -> FilePath? {
        do { return try folder.lookedUp() } catch {
            throw .unreadable(path: error.path, reason: error.reason)
        }
    }
}

extension FilePath {
    /// The path relative to a folder; nil if it is not in the folder or has a `..` step.
    fileprivate func below(_ folder: FilePath) -> String? {
        let start = folder.appending([]).bytes
        guard bytes.starts(with: start) else { return nil }
        let steps = bytes.dropFirst(start.count).split(separator: UInt8(ascii: "/"))
        guard !steps.contains(Array("..".utf8)[...]) else { return nil }
        return FilePath(steps.joined(separator: [UInt8(ascii: "/")])).text
    }
}
