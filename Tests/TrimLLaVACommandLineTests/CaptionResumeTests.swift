// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// However a run of `trimllava caption` ends, after `--resume` every picture has exactly one record.
@Suite(.serialized) struct CaptionResumeTests {
    private static let options = ["--ignore-eos", "-n", "100"]

    private func arguments(_ folder: CaptionFolder, _ more: [String] = []) -> [String] {
        folder.caption + Self.options + [
            folder.pictures, "-o", folder.records, "--resume", "--parallel", "3",
        ] + more
    }

    private func texts(_ folder: CaptionFolder) throws -> [String?] {
        try folder.answers(Self.options)
    }

    private func waitForRecords(_ folder: CaptionFolder, _ count: Int = 1) throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < deadline {
            let data = FileManager.default.contents(atPath: folder.records) ?? Data()
            if data.count(where: { $0 == UInt8(ascii: "\n") }) >= count { return }
            usleep(500)
        }
        Issue.record("no records came")
    }

    private func finish(_ folder: CaptionFolder, _ more: [String] = []) throws {
        let outcome = try ToolProcess.run(arguments(folder, more))
        #expect(outcome.code == 0, "\(outcome.errors)")
    }

    /// The run is killed repeatedly at random moments while it appends captions to sidecars.
    @Test func killsLoseAndRepeatNothing() throws {
        // Five times as many as a run can caption before it is killed.
        let pictures = 99
        let folder = try CaptionFolder(pictures: pictures)
        for index in 0..<pictures {
            try folder.folder.write(
                Array("old\n".utf8),
                to: "pictures/" + CaptionFolder.name(index).dropLast(4) + ".txt")
        }
        let more = ["--sidecar", ".txt", "--existing", "append"]
        var random = SeededGenerator(seed: 7)
        var kills = 0
        for _ in 0..<60 {
            let tool = try ToolProcess(arguments(folder, more))
            // From the start of the process to after some records.
            usleep(UInt32.random(in: 0..<80_000, using: &random))
            tool.send(signal: SIGKILL)
            let outcome = try tool.finish()
            guard outcome.code == 128 + SIGKILL else { break }
            kills += 1
        }
        #expect(kills >= 5)
        try finish(folder, more)
        let texts = try texts(folder)
        try folder.expectOneCaptionEach(pictures, texts: texts)
        for index in 0..<pictures {
            let path = folder.pictures + "/" + CaptionFolder.name(index).dropLast(4) + ".txt"
            #expect(
                try String(contentsOfFile: path, encoding: .utf8)
                    == "old\n\(texts[index % 5] ?? "")\n")
        }
        // The killed runs leave no temporary files.
        let left = try FileManager.default.contentsOfDirectory(atPath: folder.pictures)
        #expect(left.count == 2 * pictures)
    }

    @Test func interruptFinishesWhatIsInFlight() throws {
        let folder = try CaptionFolder(pictures: 60)
        let tool = try ToolProcess(arguments(folder))
        try waitForRecords(folder)
        tool.interrupt()
        let outcome = try tool.finish()
        #expect(outcome.code == 130)
        #expect(outcome.errors.contains("finishing the captions in flight"))
        #expect(outcome.errors.contains("left; repeat the command with --resume to continue"))
        let written = try folder.lines().count
        #expect((1..<60).contains(written))
        // The captions in flight were finished, so none is repeated.
        let rest = try ToolProcess.run(arguments(folder))
        #expect(rest.errors.contains("pictures: \(60 - written) to caption, \(written) captioned"))
        try folder.expectOneCaptionEach(60, texts: texts(folder))
    }

    @Test(arguments: [[SIGINT, SIGINT], [SIGTERM]])
    func aSecondInterruptStopsAtOnce(signals: [Int32]) throws {
        let folder = try CaptionFolder(pictures: 40)
        let tool = try ToolProcess(arguments(folder, ["-n", "3000", "--ordered"]))
        try tool.waitForInterruptHandler()
        usleep(100_000)
        for signal in signals {
            tool.send(signal: signal)
            usleep(20_000)
        }
        let start = ContinuousClock.now
        let outcome = try tool.finish()
        #expect(outcome.code == 130, "\(outcome.errors)")
        #expect(ContinuousClock.now - start < .seconds(20))
        #expect(try folder.lines().count < 40)
    }

    private func expectResumable(_ folder: CaptionFolder, _ outcome: Outcome, _ reason: String)
        throws
    {
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains("\(folder.records): cannot be written: \(reason)"))
        #expect(outcome.errors.contains("repeat the command with --resume to continue"))
        let written = try folder.lines()
        #expect((1..<40).contains(written.count))
        try finish(folder)
        try folder.expectOneCaptionEach(40, texts: texts(folder))
    }

    /// A limit on the file size cuts a write short, like a full disk.
    @Test func aWriteThatIsCutShortLosesNothing() throws {
        let folder = try CaptionFolder(pictures: 40)
        let outcome = try ToolProcess.shell(
            #"trap '' XFSZ; ulimit -f 12; "$@""#, arguments(folder))
        try expectResumable(folder, outcome, "File too large")
    }

    private static let mayMount = geteuid() == 0 && FileManager.default.fileExists(atPath: "/proc")

    @Test(.enabled(if: mayMount, "only root may mount a small disk"))
    func aFullDiskLosesNothing() throws {
        let folder = try CaptionFolder(pictures: 40)
        let disk = folder.folder.path + "/disk"
        try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
        guard
            try ToolProcess.shell("mount -t tmpfs -o size=64k tmpfs '\(disk)'", []).code == 0
        else {
            try Test.cancel("a small disk cannot be mounted here")
        }
        defer { _ = try? ToolProcess.shell("umount '\(disk)'", []) }
        let records = disk + "/captions.jsonl"
        symlink(records, folder.records)
        try Data(repeating: 1, count: 50_000).write(to: URL(fileURLWithPath: disk + "/filler"))
        let outcome = try ToolProcess.run(arguments(folder))
        unlink(disk + "/filler")
        try expectResumable(folder, outcome, "No space left on device")
    }

    @Test func aRemovedFolderIsAnErrorAndIsMadeAgain() throws {
        let folder = try CaptionFolder(pictures: 40)
        let out = folder.folder.path + "/out"
        try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: true)
        let records = out + "/captions.jsonl"
        let arguments =
            folder.caption + Self.options + [
                folder.pictures, "-o", records, "--resume", "--parallel", "3",
            ]
        let tool = try ToolProcess(arguments)
        try tool.waitForErrors("to caption")
        usleep(50_000)
        try FileManager.default.removeItem(atPath: out)
        let outcome = try tool.finish()
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains("\(records): was removed or replaced"))
        let absent = try ToolProcess.run(arguments)
        #expect(absent.code == 1 && absent.errors.contains("No such file or directory"))
        try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: true)
        #expect(try ToolProcess.run(arguments).code == 0)
        #expect(try folder.lines(records).map(\.name).sorted() == (0..<40).map(CaptionFolder.name))
    }

    @Test func replacedPicturesAreCaptionedAgainOnce() throws {
        let folder = try CaptionFolder(pictures: 40)
        let tool = try ToolProcess(arguments(folder, ["--ordered"]))
        try waitForRecords(folder)
        // One picture that has its caption, and one that is added later.
        let other = try Data(contentsOf: URL(fileURLWithPath: picturePath("landscape")))
        for index in [0, 37] {
            try folder.folder.write([UInt8](other), to: "pictures/" + CaptionFolder.name(index))
        }
        tool.interrupt()
        _ = try tool.finish()
        try finish(folder, ["--ordered"])
        try folder.expectOneCaptionEach(40)
        for line in try folder.lines() where ["00.png", "37.png"].contains(line.name) {
            #expect(line.size == other.count)
            #expect(line.text == (try texts(folder))[4])
        }
    }

    @Test func recordsAreNotOverwritten() throws {
        let folder = try CaptionFolder(pictures: 1)
        try finish(folder)
        let unasked = arguments(folder).filter { $0 != "--resume" }
        let outcome = try ToolProcess.run(unasked)
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains("has records already; continue it with --resume"))
        try folder.expectOneCaptionEach(1)
    }

    @Test func standardOutputThatIsFullIsAnError() throws {
        let folder = try CaptionFolder(pictures: 3)
        let outcome = try ToolProcess.shell(
            #""$@" > /dev/full"#, folder.caption + Self.options + [folder.pictures])
        #expect(outcome.code == 1)
        #expect(
            outcome.errors.contains(
                "trimllava: standard output: cannot be written: No space left on device"))
    }
}
