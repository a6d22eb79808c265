// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import TestSupport
import Testing

@testable import Captioning

/// A sidecar that cannot be read or written fails only its picture, and is tried again.
@Suite struct SidecarFailureTests {
    private let folder: TemporaryFolder
    private let records: FilePath
    private let job = RecordIdentity(model: "m", prompts: ["one"], settings: ["s"])

    init() throws {
        folder = try TemporaryFolder()
        records = FilePath(folder.path + "/records.jsonl")
        for name in ["a", "b", "c"] { try folder.write(Array(name.utf8), to: "\(name).jpg") }
    }

    private var inputs: PictureInputs {
        var inputs = PictureInputs(isRecursive: false)
        inputs.add(FilePath(folder.path))
        return inputs
    }

    private func output(_ existing: Sidecars.Existing) throws -> CaptionOutput {
        try CaptionOutput(
            records: .file(records), resumes: true,
            sidecars: Sidecars(suffix: ".txt", in: nil, existing: existing), job: job)
    }

    private func record(_ picture: PictureReference, _ text: String = "caption") -> CaptionRecord {
        var record = CaptionRecord(picture.path)
        record.text = text
        record.describe(job, prompt: 0)
        record.fileSize = picture.version?.size
        record.fileModifiedNs = picture.version?.modified
        return record
    }

    private func sidecar(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder.path + "/\(name).txt")))
    }

    private func errors() throws -> [String] {
        try String(contentsOfFile: records.text, encoding: .utf8).split(separator: "\n")
            .compactMap { try CaptionRecord(line: $0.utf8).error }
    }

    /// Plans and captions the remaining pictures; returns the failures.
    private func run(_ existing: Sidecars.Existing) throws -> [String] {
        let sink = try output(existing)
        let plan = try sink.plan(inputs)
        try sink.write(plan.failures)
        var failures = plan.failures + plan.sidecarFailures
        for task in plan.tasks {
            let failure = try sink.write(record(task.picture), of: task.picture, prompt: 0)
            if let failure { failures.append(failure) }
        }
        return failures.map(\.description)
    }

    @Test(arguments: [Sidecars.Existing.append, .prepend])
    func anUnreadableSidecarIsTriedAgain(existing: Sidecars.Existing) throws {
        try folder.write([0x63, 0x61, 0x66, 0xE9], to: "a.txt")
        let expected = [
            "\(folder.path)/a.jpg: its sidecar failed: \(folder.path)/a.txt is not valid UTF-8 at byte 3"
        ]
        for _ in 0..<3 {
            #expect(try run(existing) == expected)
            #expect(try errors() == expected)
            #expect(try sidecar("a") == [0x63, 0x61, 0x66, 0xE9])
        }
        #expect(try sidecar("b") == Array("caption\n".utf8))
        try folder.write(Array("café".utf8), to: "a.txt")
        for _ in 0..<2 {
            #expect(try run(existing) == [])
            #expect(try errors() == [])
            let text = existing == .append ? "café\ncaption\n" : "caption\ncafé"
            #expect(try sidecar("a") == Array(text.utf8))
        }
    }

    @Test(arguments: Sidecars.Existing.allCases)
    func aFolderInASidecarsPlaceIsAFailure(existing: Sidecars.Existing) throws {
        mkdir(folder.path + "/b.txt", 0o755)
        for _ in 0..<2 {
            #expect(
                try run(existing) == [
                    "\(folder.path)/b.jpg: its sidecar cannot be written: \(folder.path)/b.txt is a folder"
                ])
            #expect(try errors().count == 1)
        }
        rmdir(folder.path + "/b.txt")
        #expect(try run(existing) == [])
        #expect(try errors() == [])
        #expect(try sidecar("b") == Array("caption\n".utf8))
    }

    @Test(.enabled(if: geteuid() != 0, "root may write to every folder"))
    func aFolderThatIsReadOnlyFailsItsPicturesBeforeTheyAreCaptioned() throws {
        mkdir(folder.path + "/sub", 0o755)
        try folder.write([1], to: "sub/d.jpg")
        chmod(folder.path + "/sub", 0o555)
        defer { chmod(folder.path + "/sub", 0o755) }
        var inputs = PictureInputs(isRecursive: true)
        inputs.add(FilePath(folder.path))
        let plan = try output(.skip).plan(inputs)
        #expect(plan.tasks.count == 3)
        #expect(
            plan.failures.map(\.reason) == [
                "its sidecar cannot be written: \(folder.path)/sub: Permission denied"
            ])
    }

    /// A file replaces the folder of the sidecars during the run.
    @Test func whatCannotBeWrittenIsAFailureAndTheBatchGoesOn() throws {
        let out = folder.path + "/out"
        let sink = try CaptionOutput(
            records: .file(records), resumes: true,
            sidecars: Sidecars(suffix: ".txt", in: FilePath(out), existing: .overwrite),
            job: job)
        try #require(rmdir(out) == 0)
        try folder.write([], to: "out")
        for picture in inputs.pictures {
            let failure = try sink.write(record(picture), of: picture, prompt: 0)
            #expect(failure?.reason.contains("cannot be written: ") == true)
        }
        #expect(try errors().count == 3)
    }

    @Test(arguments: [
        (Sidecars.Existing.append, "old caption\ncaption\n"), (.prepend, "caption\nold caption\n"),
    ])
    func sidecarsFromWindowsAreAddedTo(existing: Sidecars.Existing, expected: String) throws {
        let text = "old caption\r\n"
        try folder.write([0xEF, 0xBB, 0xBF] + Array(text.utf8), to: "a.txt")
        try folder.write([0xFF, 0xFE] + text.utf8.flatMap { [$0, 0] }, to: "b.txt")
        for _ in 0..<2 {
            #expect(try run(existing) == [])
            for name in ["a", "b"] { #expect(try sidecar(name) == Array(expected.utf8)) }
        }
    }
}
