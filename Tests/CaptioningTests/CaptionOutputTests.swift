// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import TestSupport
import Testing
import TrimLLaVA

@testable import Captioning

/// How a resumed job treats existing records.
@Suite struct CaptionOutputTests {
    private let folder: TemporaryFolder
    private let records: FilePath
    private let job = RecordIdentity(model: "m", prompts: ["one", "two"], settings: ["s"])

    init() throws {
        folder = try TemporaryFolder()
        records = FilePath(folder.path + "/records.jsonl")
        for name in ["a", "b", "c"] { try folder.write(Array(name.utf8), to: "\(name).jpg") }
    }

    private func picture(_ name: String) -> PictureReference {
        PictureReference(path: FilePath(folder.path + "/\(name).jpg"))
    }

    private var inputs: PictureInputs {
        var inputs = PictureInputs(isRecursive: false)
        inputs.add(FilePath(folder.path))
        return inputs
    }

    private func output(
        _ job: RecordIdentity? = nil, resumes: Bool = true, _ sidecars: Sidecars? = nil
    ) throws -> CaptionOutput {
        try CaptionOutput(
            records: .file(records), resumes: resumes, sidecars: sidecars, job: job ?? self.job,
            inputs: [FilePath(folder.path)])
    }

    private func record(_ name: String, _ prompt: Int, job: RecordIdentity? = nil) -> CaptionRecord
    {
        let picture = picture(name)
        var record = CaptionRecord(picture.path)
        record.text = "\(name)\(prompt)"
        record.describe(job ?? self.job, prompt: prompt)
        record.fileSize = picture.version?.size
        record.fileModifiedNs = picture.version?.modified
        return record
    }

    private func write(_ output: CaptionOutput, _ names: [(String, Int)]) throws {
        for (name, prompt) in names {
            try output.write(record(name, prompt), of: picture(name), prompt: prompt)
        }
    }

    private func texts() throws -> [String] {
        try String(contentsOf: URL(fileURLWithPath: records.text), encoding: .utf8)
            .split(separator: "\n").map { line in
                let record = try CaptionRecord(line: line.utf8)
                return record.text ?? "failed"
            }
    }

    private func tasks(_ plan: JobPlan) -> [String] {
        plan.tasks.map { task in
            let name = String(decoding: task.picture.path.withoutExtension.name, as: UTF8.self)
            return name + task.prompts.map { "\($0)" }.joined()
        }
    }

    @Test func recordsAreNotMixedUnasked() throws {
        try write(output(), [("a", 0)])
        #expect(throws: CaptioningError.recordsExist(path: records.text)) {
            try output(resumes: false)
        }
    }

    @Test func whatIsMissingIsDone() throws {
        #expect(tasks(try output().plan(inputs)) == ["a01", "b01", "c01"])
        try write(output(), [("b", 1), ("a", 0), ("a", 1)])
        let plan = try output().plan(inputs)
        #expect(tasks(plan) == ["b0", "c01"])
        #expect(plan.finishedCount == 1)
        #expect(try texts() == ["b1", "a0", "a1"])
    }

    /// Records of other versions, and records without a version, whose times are in milliseconds.
    @Test func recordsOfOtherVersionsAreCountedAndStay() throws {
        try write(output(), [("a", 0), ("a", 1), ("b", 0)])
        let lines = try String(contentsOfFile: records.text, encoding: .utf8)
            .split(separator: "\n")
        let version = #""trimllava_version":"\#(Release.version)""#
        let earlier =
            lines[0].replacing("," + version, with: "")
            .replacing(#""schema_version":1,"#, with: "").dropLast() + #","vision_ms":103.79}"#
        let other = lines[1].replacing(version, with: #""trimllava_version":"9.9.9""#)
        let text = "\(earlier)\n\(other)\n\(lines[2])\n"
        try folder.write(Array(text.utf8), to: "records.jsonl")
        let sink = try output()
        let plan = try sink.plan(inputs)
        #expect(tasks(plan) == ["b1", "c01"])
        #expect(plan.otherVersionCount == 2)
        #expect(try String(contentsOfFile: records.text, encoding: .utf8) == text)
        let found = try #require(try sink.table(of: inputs)[picture("a")]?.captions[0])
        #expect(found.visionSeconds == 0.10379 && found.trimllavaVersion == nil)
        #expect(found.schemaVersion == OutputSchema.version)
    }

    @Test func aChangedPictureLosesItsRecords() throws {
        try write(output(), [("a", 0), ("b", 0), ("a", 1), ("b", 1)])
        try folder.write(Array("longer".utf8), to: "a.jpg")
        #expect(tasks(try output().plan(inputs)) == ["a01", "c01"])
        #expect(try texts() == ["b0", "b1"])
        // Only the time of change differs.
        utimensat(AT_FDCWD, folder.path + "/b.jpg", [timespec(), timespec()], 0)
        #expect(tasks(try output().plan(inputs)) == ["a01", "b01", "c01"])
        #expect(try texts() == [])
    }

    @Test func aPictureThatIsGoneKeepsItsRecords() throws {
        try write(output(), [("a", 0), ("a", 1)])
        var named = PictureInputs(isRecursive: false)
        named.add(picture("a").path)
        unlink(folder.path + "/a.jpg")
        #expect(tasks(try output().plan(named)) == [])
        #expect(tasks(try output().plan(inputs)) == ["b01", "c01"])
        #expect(try texts() == ["a0", "a1"])
    }

    @Test func failuresAreTriedAgain() throws {
        let sink = try output()
        for path in [picture("a").path, FilePath(folder.path), FilePath("/elsewhere.jpg")] {
            try sink.write([InputFailure(path: path, reason: "no")])
        }
        _ = consume sink
        #expect(tasks(try output().plan(inputs)) == ["a01", "b01", "c01"])
        // Records of other pictures, such as /elsewhere.jpg, stay.
        #expect(try texts() == ["failed"])
    }

    @Test func otherPromptsModelsAndSettingsAreOthers() throws {
        try write(output(), [("a", 0), ("a", 1)])
        for other in [
            RecordIdentity(model: "m", prompts: ["one", "three"], settings: ["s"]),
            RecordIdentity(model: "m", prompts: ["one"], settings: ["other"]),
        ] {
            let plan = try output(other).plan(inputs)
            #expect(tasks(plan).first == (other.prompts.count == 2 ? "a1" : "a0"))
            #expect(try texts() == ["a0", "a1"])
        }
    }

    @Test func aRecordThatIsThereTwiceIsKeptOnce() throws {
        try write(output(), [("a", 0), ("b", 0), ("a", 0)])
        #expect(tasks(try output().plan(inputs)) == ["a1", "b1", "c01"])
        #expect(try texts() == ["a0", "b0"])
    }

    @Test(arguments: ["{}", "caption", "{\"file_name\":\"a\"}", "[]", "\u{FFFE}"])
    func anotherFileIsRefusedAndStays(line: String) throws {
        try folder.write(Array("\(line)\n".utf8), to: "records.jsonl")
        #expect(throws: CaptioningError.self) { try output().plan(inputs) }
        #expect(try String(contentsOfFile: records.text, encoding: .utf8) == "\(line)\n")
    }

    /// Files that -o names by mistake, with and without whole lines.
    @Test(arguments: ["JFIF\nrest", "JFIF", "one caption\nanother", "\u{FFFD}\n{"])
    func whatIsNoFileOfRecordsIsNotCut(content: String) throws {
        try folder.write(Array(content.utf8), to: "records.jsonl")
        for resumes in [true, false] {
            #expect(throws: CaptioningError.self) { try output(resumes: resumes) }
            #expect(try String(contentsOfFile: records.text, encoding: .utf8) == content)
        }
    }

    @Test(arguments: ["{\"file_n", "\0\0\0", "\n\0"])
    func aTornRecordIsCutOff(content: String) throws {
        try folder.write(Array(content.utf8), to: "records.jsonl")
        _ = try output()
        let left = try String(contentsOfFile: records.text, encoding: .utf8)
        #expect(left == (content.hasPrefix("\n") ? "\n" : ""))
    }

    private func sidecar(_ name: String) -> String? {
        try? String(contentsOfFile: folder.path + "/\(name).txt", encoding: .utf8)
    }

    @Test func sidecarsComeWithTheLastPrompt() throws {
        let sidecars = Sidecars(suffix: ".txt", in: nil, existing: .skip)
        let sink = try output(sidecars)
        try write(sink, [("a", 1), ("b", 0)])
        #expect(sidecar("a") == nil)
        try write(sink, [("a", 0)])
        #expect(sidecar("a") == "a0\na1\n" && sidecar("b") == nil)
    }

    @Test func captionsOfSeveralPromptsAreJoinedAsAskedFor() throws {
        let sidecars = Sidecars(suffix: ".txt", in: nil, existing: .overwrite, joint: ", ")
        try write(output(sidecars), [("a", 1), ("a", 0)])
        #expect(sidecar("a") == "a0, a1\n")
        unlink(folder.path + "/a.txt")
        _ = try output(sidecars).plan(inputs)
        #expect(sidecar("a") == "a0, a1\n")
    }

    private func output(_ sidecars: Sidecars) throws -> CaptionOutput {
        try output(nil, sidecars)
    }

    @Test(arguments: Sidecars.Existing.allCases)
    func aSidecarThatWasNotWrittenIsRestoredOnce(existing: Sidecars.Existing) throws {
        try folder.write(Array("old".utf8), to: "a.txt")
        try write(output(), [("b", 0), ("b", 1), ("a", 0), ("a", 1)])
        let sidecars = Sidecars(suffix: ".txt", in: nil, existing: existing)
        for _ in 0..<3 { _ = try output(sidecars).plan(inputs) }
        let expected =
            switch existing {
            case .skip: "old"
            case .overwrite: "a0\na1\n"
            case .append: "old\na0\na1\n"
            case .prepend: "a0\na1\nold"
            }
        #expect(sidecar("a") == expected)
        #expect(sidecar("b") == "b0\nb1\n")
    }

    @Test func existingSidecarsSkipTheirPictures() throws {
        try folder.write([], to: "b.txt")
        let plan = try output(Sidecars(suffix: ".txt", in: nil, existing: .skip)).plan(inputs)
        #expect(tasks(plan) == ["a01", "c01"])
        #expect(plan.skippedCount == 1)
        let all = try output(Sidecars(suffix: ".txt", in: nil, existing: .overwrite)).plan(inputs)
        #expect(tasks(all) == ["a01", "b01", "c01"])
    }

    @Test func picturesThatWouldShareASidecarFail() throws {
        try folder.write([1], to: "a.png")
        let long = String(repeating: "n", count: 251)
        try folder.write([1], to: "\(long).jpg")
        let plan = try output(Sidecars(suffix: ".caption", in: nil, existing: .skip)).plan(inputs)
        #expect(tasks(plan) == ["a01", "b01", "c01"])
        #expect(
            plan.failures.map(\.reason) == [
                "its sidecar would also be that of \(folder.path)/a.jpg",
                "its sidecar's name would be too long",
            ])
    }

    @Test func sidecarsAloneLockTheirFolders() throws {
        func output(_ target: String?, part: String? = nil) throws -> CaptionOutput {
            try CaptionOutput(
                records: .none, resumes: false,
                sidecars: Sidecars(
                    suffix: ".txt", in: target.map { FilePath($0) }, existing: .skip), job: job,
                part: part.flatMap { Shard(parsing: $0) },
                inputs: [picture("a").path, FilePath(folder.path), FilePath("/absent")])
        }
        let inUse = CaptioningError.inUse(path: folder.path)
        let whole = try [output(nil), output(folder.path + "/out/put")]
        withExtendedLifetime(whole) {
            #expect(throws: inUse) { try output(nil) }
            // Separate records do not allow two runs to write the same sidecars.
            #expect(throws: inUse) {
                try self.output(Sidecars(suffix: ".txt", in: nil, existing: .skip))
            }
            #expect(throws: inUse) { try output(nil, part: "1/2") }
        }
    }

    @Test func partsShareTheirFolders() throws {
        func output(_ part: String?) throws -> CaptionOutput {
            try CaptionOutput(
                records: .none, resumes: false,
                sidecars: Sidecars(suffix: ".txt", in: nil, existing: .skip), job: job,
                part: part.flatMap { Shard(parsing: $0) }, inputs: [FilePath(folder.path)])
        }
        let parts = try [output("1/2"), output("2/2")]
        _ = withExtendedLifetime(parts) {
            #expect(throws: CaptioningError.inUse(path: folder.path)) {
                _ = try output(nil)
            }
        }
    }

    @Test func picturesOfSeveralFoldersStayApart() throws {
        for name in ["x/train", "y/train/deep", "y/train/deep/in"] {
            try FileManager.default.createDirectory(
                atPath: folder.path + "/" + name, withIntermediateDirectories: true)
        }
        let sources = ["x/train", "y/train", "y/train/deep/"].map {
            FilePath(folder.path + "/" + $0)
        }
        func path(_ picture: String, _ source: Int, _ sources: [FilePath]) -> String {
            let sidecars = Sidecars(
                suffix: ".txt", in: FilePath("out"), existing: .skip, sources: sources)
            return sidecars.path(
                for: PictureReference(
                    path: FilePath(folder.path + "/" + picture), below: sources[source])
            ).text
        }
        #expect(path("x/train/a.jpg", 0, sources) == "out/x/train/a.txt")
        #expect(path("y/train/a.jpg", 1, sources) == "out/y/train/a.txt")
        #expect(path("y/train/deep/a.jpg", 1, sources) == "out/y/train/deep/a.txt")
        #expect(path("y/train/deep/in/a.jpg", 2, sources) == "out/y/train/deep/in/a.txt")
        // A single folder, however often it is named, is left out of the paths.
        let alone = [sources[0], FilePath(folder.path + "/x/../x/train")]
        #expect(path("x/train/a.jpg", 0, alone) == "out/a.txt")
    }

    @Test func foldersAreMirrored() {
        let sidecars = Sidecars(suffix: ".txt", in: FilePath("out"), existing: .skip)
        func path(_ path: String, below folder: String? = nil) -> String {
            sidecars.path(
                for: PictureReference(
                    path: FilePath(path), below: folder.map { FilePath($0) })
            ).text
        }
        #expect(path("/data/x/a.jpg", below: "/data") == "out/x/a.txt")
        #expect(path("data//a.jpg", below: "data/") == "out/a.txt")
        #expect(path("../x/./a.jpg") == "out/x/a.txt")
        #expect(path("/a.jpg") == "out/a.txt")
        let version = FileVersion(size: 1, modified: 1)
        let member = PictureReference(
            path: FilePath("d/s.tar/x/1.jpg"),
            place: .member(
                archive: FilePath("d/s.tar"), position: 0,
                header: MemberHeader(name: Array("x/1.jpg".utf8), version: version)))
        #expect(
            Sidecars(suffix: ".txt", in: nil, existing: .skip).path(for: member).text
                == "d/s/x/1.txt")
    }
}
