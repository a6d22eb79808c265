// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import TestSupport
import Testing
import TrimLLaVA

@testable import Captioning

@Suite struct ExportTests {
    private let folder: TemporaryFolder
    private let job = RecordIdentity(model: "m", prompts: ["one", "two"], settings: [])
    private let hostile = "a \"quote\", a comma,\r\nlines\n=1+1 é"

    init() throws {
        folder = try TemporaryFolder()
        try FileManager.default.createDirectory(
            atPath: folder.path + "/data/sub", withIntermediateDirectories: true)
        for name in ["b.jpg", "a.jpg", "sub/c.png"] {
            try folder.write(Array(name.utf8), to: "data/" + name)
        }
    }

    private func picture(_ name: String) -> PictureReference {
        PictureReference(path: FilePath(folder.path + "/data/" + name))
    }

    private func record(_ picture: PictureReference, _ prompt: Int, _ text: String) -> CaptionRecord
    {
        var record = CaptionRecord(picture.path)
        record.text = text
        record.describe(job, prompt: prompt)
        record.fileSize = picture.version?.size
        record.fileModifiedNs = picture.version?.modified
        return record
    }

    private var table: CaptionTable {
        var table = CaptionTable(job)
        table.add(record(picture("b.jpg"), 1, "b1"))
        table.add(record(picture("a.jpg"), 0, hostile))
        table.add(record(picture("b.jpg"), 0, "b0"))
        table.add(record(picture("sub/c.png"), 0, "c0"))
        table.add(record(picture("sub/c.png"), 1, "c1"))
        table.add(CaptionRecord(FilePath("gone.jpg"), error: "gone"))
        var other = record(picture("a.jpg"), 1, "of other settings")
        other.settings = "others"
        table.add(other)
        return table
    }

    @Test func commaSeparatedValuesAreRead() throws {
        let path = folder.path + "/new/folder/captions.csv"
        try CSVExport.write(table, to: FilePath(path))
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let start =
            "\(folder.path)/data/a.jpg,\"a \"\"quote\"\", a comma,\r\nlines\n=1+1 é\",,one,m,"
        let lines = text.replacing("\r\nlines\n", with: " ").split(separator: "\n")
        #expect(lines.count == 7)
        #expect(lines[0].hasPrefix("file_name,text,error,prompt,model,width,"))
        #expect(text.contains("\n" + start))
        #expect(lines[2].hasPrefix("\(folder.path)/data/b.jpg,b0,,one,m,"))
        #expect(lines[6].hasPrefix("gone.jpg,,gone,,,"))
        let columns = Set(lines.dropFirst(2).map { $0.count(where: { $0 == "," }) })
        #expect(columns == [18])
    }

    @Test(arguments: [
        ("plain", "plain"), ("", ""), ("a,b", "\"a,b\""), ("a\"", "\"a\"\"\""),
        ("a\nb", "\"a\nb\""),
        ("a\r\nb", "\"a\r\nb\""), (" a", "\" a\""), ("a\u{301},", "\"a\u{301},\""),
        ("x\"\u{301}", "\"x\"\"\u{301}\""),
    ])
    func fieldsAreQuotedWhereTheyMustBe(field: String, written: String) {
        #expect(CSV.line([field, "z"]) == Array((written + ",z\n").utf8))
    }

    @Test func metadataIsRelativeToItsFolder() throws {
        for (file, names) in [
            ("data/metadata.jsonl", ["a.jpg", "b.jpg", "sub/c.png"]),
            ("metadata.jsonl", ["data/a.jpg", "data/b.jpg", "data/sub/c.png"]),
        ] {
            let path = FilePath(folder.path + "/" + file)
            let export = MetadataExport(to: path, replaces: false)
            try export.check(["a.jpg", "sub/c.png"].map(picture))
            #expect(try export.write(table) == 0)
            let lines = try String(contentsOfFile: path.text, encoding: .utf8)
                .split(separator: "\n").map { line in
                    try #require(
                        try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String]
                    )
                }
            #expect(lines.map { $0["file_name"] } == names)
            #expect(lines.map { $0["text"] } == [hostile, "b0", "c0"])
            #expect(lines.map { $0["text_2"] } == [nil, "b1", "c1"])
        }
    }

    private func rows(_ text: String, replaces: Bool = false) throws -> (kept: Int, [String]) {
        let path = try folder.write(Array(text.utf8), to: "data/metadata.jsonl")
        let kept = try MetadataExport(to: FilePath(path), replaces: replaces).write(table)
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        return (kept, lines.map(String.init))
    }

    @Test func rowsAndColumnsOfOthersStay() throws {
        let foreign = #"{ "file_name" : "z.jpg", "text":"by hand","n": 12345678901234567890.50 }"#
        let labelled = #"{"label": [1, {"a":"},{"}], "file_name": "b.jpg"}"#
        let (kept, lines) = try rows("\u{FEFF}\(foreign)\r\n\n\(labelled)")
        #expect(kept == 0)
        #expect(lines.count == 4)
        #expect(lines[0] == foreign)
        #expect(
            lines[1]
                == #"{"label":[1, {"a":"},{"}],"file_name":"b.jpg","text":"b0","text_2":"b1"}"#)
        #expect(lines[2].contains(#""a.jpg""#) && lines[3].contains(#""sub/c.png""#))
        // A second export changes nothing.
        #expect(try rows(lines.joined(separator: "\n")).1 == lines)
    }

    @Test func textsThatAreInNoRecordStayUnlessTheyAreToBeReplaced() throws {
        let rows = #"{"file_name":"b.jpg","text":"by hand","text_2":"b1"}"#
        let (kept, lines) = try self.rows(rows)
        #expect(kept == 1 && lines[0] == rows)
        let (left, replaced) = try self.rows(rows, replaces: true)
        #expect(left == 0 && replaced[0] == #"{"file_name":"b.jpg","text":"b0","text_2":"b1"}"#)
        // A caption that the program made with other settings is replaced.
        let own = #"{"file_name":"a.jpg","text":"of other settings"}"#
        let (none, updated) = try self.rows(own)
        #expect(none == 0 && !updated[0].contains("of other settings"))
    }

    @Test(arguments: ["by hand\n", "{\"file_name\":\"a.jpg\"\n", "[]\n", "{}\n1"])
    func aFileOfOtherLinesIsRefusedAndStays(text: String) throws {
        let path = try folder.write(Array(text.utf8), to: "data/metadata.jsonl")
        let export = MetadataExport(to: FilePath(path), replaces: true)
        #expect(throws: CaptioningError.self) { try export.check([]) }
        #expect(throws: CaptioningError.self) { try export.write(table) }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == text)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.path + "/data").count == 4)
    }

    @Test func picturesThatMetadataCannotNameAreRefused() throws {
        try FileManager.default.createDirectory(
            atPath: folder.path + "/elsewhere", withIntermediateDirectories: true)
        symlink("../elsewhere", folder.path + "/data/link")
        let metadata = FilePath(folder.path + "/data/metadata.jsonl")
        let export = MetadataExport(to: metadata, replaces: false)
        try export.check([picture("a.jpg"), picture("link/x.jpg")])
        let member = PictureReference(
            path: picture("s.tar/1.jpg").path,
            place: .member(
                archive: picture("s.tar").path, position: 0,
                header: MemberHeader(
                    name: Array("1.jpg".utf8), version: FileVersion(size: 1, modified: 1))))
        let outside = PictureReference(path: FilePath(folder.path + "/elsewhere/x.jpg"))
        for picture in [member, outside, picture("../elsewhere/x.jpg")] {
            #expect(
                throws: CaptioningError.outsideMetadata(
                    picture: picture.path.text, metadata: metadata.text)
            ) { try export.check([picture]) }
        }
    }

    private func untarred(_ path: String) throws -> [String: String] {
        let out = folder.path + "/out-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: true)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["tar", "-C", out, "-xf", path]
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        var files: [String: String] = [:]
        for name in FileManager.default.enumerator(atPath: out)?.compactMap({ $0 as? String }) ?? []
        {
            files[name] = try? String(contentsOfFile: out + "/" + name, encoding: .utf8)
        }
        return files
    }

    private func shards(
        _ out: FilePath, records: String = "records", part: String? = nil,
        of job: RecordIdentity? = nil
    ) -> ShardExport {
        ShardExport(
            to: out, of: job ?? self.job, records: FilePath(folder.path + "/" + records),
            part: part.flatMap { Shard(parsing: $0) }, joint: " | ")
    }

    @Test func shardsOfOthersAreRefused() throws {
        let out = FilePath(folder.path + "/shards")
        let pictures = ["b.jpg", "sub/c.png"].map(picture)
        try shards(out).check(pictures)
        #expect(try shards(out).write(pictures, table) == [])
        try shards(out).check(pictures)
        try shards(out, part: "2/3").check(pictures)
        let foreign = CaptioningError.foreignShards(folder: out.text, shard: "00000.tar")
        #expect(throws: foreign) { try shards(out, records: "others").check(pictures) }
        let other = RecordIdentity(model: "m", prompts: ["three"], settings: [])
        #expect(throws: foreign) { try shards(out, of: other).check(pictures) }
        try folder.write([], to: "shards/00001.tar")
        #expect(
            throws: CaptioningError.foreignShards(folder: out.text, shard: "00001.tar")
        ) { try shards(out).check(pictures) }
    }

    @Test func shardsThatAreLeftOverAreDeleted() throws {
        let out = FilePath(folder.path + "/shards")
        for name in ["x", "y"] {
            let writer = try ArchiveWriter(FilePath(folder.path + "/\(name).tar"))
            try writer.add(FilePath("1.jpg"), [1], modified: 1)
            try writer.finish()
        }
        var inputs = PictureInputs(isRecursive: false)
        for name in ["x", "y"] { inputs.add(FilePath(folder.path + "/\(name).tar")) }
        var table = CaptionTable(job)
        for picture in inputs.pictures {
            for prompt in 0...1 { table.add(record(picture, prompt, "t\(prompt)")) }
        }
        #expect(try shards(out).write(inputs.pictures, table) == [])
        try folder.write([], to: "shards/mine.txt")
        #expect(try shards(out).write([inputs.pictures[0]], table) == [])
        let names = try FileManager.default.contentsOfDirectory(atPath: out.text).sorted()
        #expect(names == [".trimllava-shards.json", "mine.txt", "x.tar"])
        #expect(try untarred(out.text + "/x.tar")["1.txt"] == "t0 | t1\n")
    }

    @Test func shardsOfOneNameAreRefused() throws {
        try FileManager.default.createDirectory(
            atPath: folder.path + "/s", withIntermediateDirectories: true)
        var inputs = PictureInputs(isRecursive: false)
        for name in ["00000.tar", "s/00000.tar"] {
            let writer = try ArchiveWriter(FilePath(folder.path + "/" + name))
            try writer.add(FilePath("1.jpg"), [1], modified: 1)
            try writer.finish()
            inputs.add(FilePath(folder.path + "/" + name))
        }
        let shards = shards(FilePath(folder.path + "/out"))
        try shards.check([inputs.pictures[0]])
        for pictures in [inputs.pictures, [picture("a.jpg"), inputs.pictures[0]]] {
            #expect(throws: CaptioningError.self) { try shards.check(pictures) }
        }
    }

    @Test func shardsHavePicturesAndCaptions() throws {
        let pictures = ["a.jpg", "b.jpg", "sub/c.png"].map(picture)
        let out = FilePath(folder.path + "/shards")
        let table = table
        #expect(try shards(out).write(pictures, table) == [])
        let files = try untarred(out.text + "/00000.tar")
        // a.jpg lacks a caption.
        #expect(
            files.keys.sorted()
                == ["000000000", "000000001"].flatMap { key in
                    (key == "000000000" ? ["jpg", "json", "txt"] : ["json", "png", "txt"]).map {
                        "\(key).\($0)"
                    }
                })
        #expect(files["000000000.jpg"] == "b.jpg" && files["000000001.png"] == "sub/c.png")
        #expect(files["000000000.txt"] == "b0 | b1\n")
        let json = try JSONSerialization.jsonObject(
            with: Data((files["000000001.json"] ?? "").utf8))
        #expect((json as? [[String: Any]])?.map { $0["text"] as? String } == ["c0", "c1"])
        // A picture that has changed since is left out.
        try folder.write(Array("another".utf8), to: "data/b.jpg")
        let changed = try shards(out, part: "2/3").write(pictures, table)
        #expect(changed.map(\.path) == [picture("b.jpg").path])
        #expect(try untarred(out.text + "/2-of-3-00000.tar")["000000001.txt"] == "c0 | c1\n")
        #expect(try untarred(out.text + "/2-of-3-00000.tar").count == 3)
    }

    @Test func archivesComeBackWithCaptions() throws {
        let archive = FilePath(folder.path + "/in.tar")
        let writer = try ArchiveWriter(archive)
        let long = FilePath(
            [0xFF] + Array(String(repeating: "n", count: 150).utf8) + Array(".jpg".utf8))
        for name in [FilePath("x/1.jpg"), FilePath("1.cls"), long] {
            try writer.add(name, name.bytes, modified: 1_000_000)
        }
        try writer.finish()
        var inputs = PictureInputs(isRecursive: false)
        inputs.add(archive)
        #expect(inputs.pictures.count == 2)
        var table = CaptionTable(job)
        for picture in inputs.pictures {
            for prompt in 0...1 { table.add(record(picture, prompt, "t\(prompt)")) }
        }
        #expect(try shards(FilePath(folder.path + "/back")).write(inputs.pictures, table) == [])
        let reader = try ArchiveReader(FilePath(folder.path + "/back/in.tar"))
        var found: [FilePath: [UInt8]] = [:]
        while let member = try reader.next() {
            found[FilePath(member.name)] = try reader.contents(limit: 10000)
        }
        #expect(found.count == 6)
        #expect(found[FilePath("x/1.jpg")] == Array("x/1.jpg".utf8))
        #expect(found[FilePath("x/1.txt")] == Array("t0 | t1\n".utf8))
        #expect(found[long] == long.bytes)
        #expect(found[long.withoutExtension.adding(".txt")] == Array("t0 | t1\n".utf8))
    }
}
