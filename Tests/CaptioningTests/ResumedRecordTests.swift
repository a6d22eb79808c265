// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import TestSupport
import Testing

@testable import Captioning

/// Record files that other programs have changed, and pictures whose paths are spelled in other ways.
@Suite struct ResumedRecordTests {
    private let folder: TemporaryFolder
    private let records: FilePath
    private let job = RecordIdentity(model: "m", prompts: ["one"], settings: ["s"])

    init() throws {
        folder = try TemporaryFolder()
        records = FilePath(folder.path + "/records.jsonl")
        mkdir(folder.path + "/f", 0o755)
        symlink("f", folder.path + "/twin")
        for name in ["a", "b"] { try folder.write(Array(name.utf8), to: "f/\(name).jpg") }
    }

    private func inputs(_ name: String) -> PictureInputs {
        var inputs = PictureInputs(isRecursive: false)
        inputs.add(FilePath(name))
        return inputs
    }

    private func output() throws -> CaptionOutput {
        try CaptionOutput(records: .file(records), resumes: true, sidecars: nil, job: job)
    }

    private func line(_ picture: PictureReference, _ text: String = "caption") -> String {
        var record = CaptionRecord(picture.path)
        record.text = text
        record.describe(job, prompt: 0)
        record.fileSize = picture.version?.size
        record.fileModifiedNs = picture.version?.modified
        return String(decoding: record.line(), as: UTF8.self)
    }

    private func write(_ lines: [String]) throws {
        try folder.write(Array(lines.joined().utf8), to: "records.jsonl")
    }

    private func kept() throws -> [String] {
        try String(contentsOfFile: records.text, encoding: .utf8).components(separatedBy: "\n")
    }

    @Test func everySpellingOfAPathIsThePicture() throws {
        let path = folder.path + "/f"
        try write(inputs(path).pictures.map { line($0) })
        for spelling in [
            path, path + "/", folder.path + "//f/.", path + "/../f", folder.path + "/twin",
        ] {
            let (sink, inputs) = (try output(), inputs(spelling))
            let plan = try sink.plan(inputs)
            #expect(plan.tasks.isEmpty && plan.finishedCount == 2, "\(spelling)")
            let table = try sink.table(of: inputs)
            #expect(table.rows.count == 2)
            #expect(inputs.pictures.allSatisfy { table[$0]?.captions.count == 1 })
        }
        #expect(try kept().count == 3)
        // A picture that was captioned under two names of its folder keeps one record.
        try write([path, folder.path + "/twin"].flatMap { inputs($0).pictures.map { line($0) } })
        #expect(try output().plan(inputs(path)).finishedCount == 2)
        #expect(try kept().count == 3)
    }

    @Test func membersAreKnownByTheirArchivesPlace() throws {
        let archive = folder.path + "/f/s.tar"
        let writer = try ArchiveWriter(FilePath(archive))
        for name in ["x/1.jpg", "f/s.tar/2.jpg"] {
            try writer.add(FilePath(name), [1], modified: 1)
        }
        try writer.finish()
        try write(inputs(archive).pictures.map { line($0) })
        for spelling in [archive, folder.path + "/twin/s.tar", folder.path + "/./f//s.tar"] {
            let plan = try output().plan(inputs(spelling))
            #expect(plan.tasks.isEmpty && plan.finishedCount == 2, "\(spelling)")
        }
    }

    @Test func failureOfAnArchiveEndsWithIt() throws {
        let archive = FilePath(folder.path + "/f/s.tar")
        let failure = CaptionRecord(archive, error: "cannot be read")
        try write([String(decoding: failure.line(), as: UTF8.self)])
        let writer = try ArchiveWriter(archive)
        try writer.add(FilePath("1.jpg"), [1], modified: 1)
        try writer.finish()
        #expect(try output().plan(inputs(archive.text)).tasks.count == 1)
        #expect(try kept() == [""])
    }

    @Test func blankLinesAndMarksAreNoRecords() throws {
        let pictures = inputs(folder.path + "/f").pictures
        try write(["\u{FEFF}" + line(pictures[0]), "\n", " \t\r\n", line(pictures[1]), "\n"])
        let sink = try output()
        #expect(try sink.plan(inputs(folder.path + "/f")).finishedCount == 2)
        #expect(try sink.table(of: inputs(folder.path + "/f")).rows.count == 2)
    }

    @Test(arguments: ["{\"file_na\n", "\u{0}\u{0}\u{0}\n", "{\"file_na\n\n \n", "{}\n"])
    func aBrokenLastLineIsDoneAgain(line: String) throws {
        let pictures = inputs(folder.path + "/f").pictures
        try write([self.line(pictures[0]), line])
        let plan = try output().plan(inputs(folder.path + "/f"))
        #expect(plan.finishedCount == 1 && plan.tasks.map(\.picture) == [pictures[1]])
        #expect(try kept().first.map { $0 + "\n" } == self.line(pictures[0]))
        #expect(try !kept().contains { $0.hasPrefix("{\"file_na") && $0.count < 20 })
    }

    @Test func aBrokenLineAmongOthersIsNamed() throws {
        let pictures = inputs(folder.path + "/f").pictures
        try write([line(pictures[0]), "{}\n", line(pictures[1])])
        #expect(
            throws: CaptioningError.notARecord(
                path: records.text, line: 2, reason: "file_name is missing")
        ) { try output().plan(inputs(folder.path + "/f")) }
    }

    @Test func anEmptyCaptionIsNone() throws {
        try write(inputs(folder.path + "/f").pictures.map { line($0, " \n") })
        #expect(try output().plan(inputs(folder.path + "/f")).tasks.count == 2)
        #expect(try kept() == [""])
    }
}
