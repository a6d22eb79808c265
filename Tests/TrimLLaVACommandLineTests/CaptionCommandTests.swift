// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing
import TrimLLaVA

/// `trimllava caption`: what it writes, where, and how it ends.
@Suite struct CaptionCommandTests {
    private static let options = ["-n", "12", "--ignore-eos"]

    @Test(arguments: ["1", "2", "3", "5", "8", "auto"], [0, 1])
    func captionsAreWhatRunAnswers(parallel: String, encodingThreads: Int) throws {
        let folder = try CaptionFolder(pictures: 9)
        let more = ["--keep", "9", "--selector", "divprune", "-p", "What is it?"]
        let texts = try folder.answers(Self.options + more)
        let outcome = try ToolProcess.run(
            folder.caption + Self.options + [
                folder.pictures, "--parallel", parallel, "-o", folder.records,
                "--encoding-threads", "\(encodingThreads)",
            ] + more)
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(outcome.output.isEmpty)
        try folder.expectOneCaptionEach(9, texts: texts)
    }

    @Test(arguments: [0, 1])
    func severalPromptsGiveSeveralRecordsAndOneSidecar(encodingThreads: Int) throws {
        let folder = try CaptionFolder(pictures: 3)
        let file = try folder.folder.write(Array("Where?\n".utf8), to: "prompt")
        let outcome = try ToolProcess.run(
            folder.caption + Self.options + [
                folder.pictures, "-p", "What?", "--prompt-file", file, "-p", "What?", "--ordered",
                "--output-dir", folder.folder.path + "/out", "-o", "-", "--prefix", "a: ",
                "--suffix", " :z", "--parallel", "4", "--encoding-threads", "\(encodingThreads)",
            ])
        #expect(outcome.code == 0, "\(outcome.errors)")
        let lines = try CaptionFolder.lines(outcome.output)
        let names = [0, 0, 1, 1, 2, 2].map(CaptionFolder.name)
        #expect(lines.map(\.name) == names)
        #expect(lines.map(\.prompt) == (0..<6).map { ["What?", "Where?"][$0 % 2] })
        for index in 0..<3 {
            let expected = try ["What?", "Where?"].map { prompt in
                "a: \(try folder.answer(index, Self.options + ["-p", prompt]) ?? "") :z"
            }
            #expect(lines[(2 * index)...].prefix(2).map(\.text) == expected)
            let sidecar = folder.folder.path + "/out/0\(index).txt"
            let flat = expected.map {
                $0.split(whereSeparator: \.isNewline).joined(separator: " ") + "\n"
            }
            #expect(try String(contentsOfFile: sidecar, encoding: .utf8) == flat.joined())
        }
    }

    /// A picture that cannot be read has one record, however many prompts there are.
    @Test(arguments: [
        ["--parallel", "1"], ["--parallel", "8", "--ordered"], ["--encoding-threads", "1"],
    ])
    func aBadPictureHasOneRecordForAllPrompts(more: [String]) throws {
        let folder = try CaptionFolder(pictures: 4)
        try folder.folder.write(Array("no picture".utf8), to: "pictures/01.png")
        let outcome = try ToolProcess.run(
            folder.caption + Self.options + [
                folder.pictures, "-p", "What?", "-p", "Where?", "-p", "Who?", "-o", folder.records,
            ] + more)
        #expect(outcome.code == 1, "\(outcome.errors)")
        let lines = try folder.lines()
        #expect(lines.count == 10)
        #expect(lines.filter { $0.error != nil }.map(\.name) == ["01.png"])
        if more.contains("--ordered") {
            let names = [0, 0, 0, 1, 2, 2, 2, 3, 3, 3].map(CaptionFolder.name)
            #expect(lines.map(\.name) == names)
        }
    }

    @Test(arguments: [0, 1])
    func whatFailsIsRecordedAndPassedOver(encodingThreads: Int) throws {
        let folder = try CaptionFolder(pictures: 4)
        try folder.folder.write(Array("no picture".utf8), to: "pictures/01.png")
        symlink("absent", folder.pictures + "/gone.png")
        let arguments =
            folder.caption + Self.options + [
                folder.pictures, folder.pictures + "/00.png", "/absent.png",
            ]
        let outcome = try ToolProcess.run(
            arguments + [
                "-o", folder.records, "--summary", folder.folder.path + "/summary",
                "--encoding-threads", "\(encodingThreads)",
            ])
        #expect(outcome.code == 1)
        let lines = try folder.lines()
        #expect(lines.count == 6)
        #expect(
            Set(lines.filter { $0.error != nil }.map(\.name)) == [
                "01.png", "gone.png", "absent.png",
            ])
        #expect(Set(lines.filter { $0.text != nil }.map(\.name)) == ["00.png", "02.png", "03.png"])
        #expect(outcome.errors.contains("01.png: not a picture"))
        let summary = try #require(
            try JSONSerialization.jsonObject(
                with: Data(contentsOf: URL(fileURLWithPath: folder.folder.path + "/summary")))
                as? [String: Any])
        #expect(summary["captioned"] as? Int == 3 && summary["failed"] as? Int == 3)
        #expect(summary["pictures"] as? Int == 6 && summary["duplicates"] as? Int == 1)
        #expect(summary["schema_version"] as? Int == OutputSchema.version)
        #expect(summary["trimllava_version"] as? String == Release.version)
        #expect(try #require(summary["encoding_seconds"] as? Double) > 0)

        let strict = try ToolProcess.run(arguments + ["--max-errors", "1", "-q"])
        #expect(strict.code == 1)
        #expect(
            strict.errors
                == "trimllava: 2 pictures failed, more than the limit of 1; see --max-errors\n")
    }

    @Test func aPromptThatDoesNotFitFailsItsPictureAlone() throws {
        let folder = try CaptionFolder(pictures: 2)
        let long = String(repeating: "word ", count: 400)
        let outcome = try ToolProcess.run(
            folder.caption + Self.options + [
                folder.pictures, "-p", long, "-p", "Hi", "--context", "200", "-q",
            ])
        #expect(outcome.code == 1)
        let lines = try CaptionFolder.lines(outcome.output)
        #expect(lines.count == 4)
        #expect(lines.filter { $0.error != nil }.allSatisfy { $0.prompt == long })
        #expect(lines.filter { $0.text != nil }.map(\.prompt) == ["Hi", "Hi"])
    }

    @Test func namesThatAreNoTextArriveAsTheyAre() throws {
        let folder = try CaptionFolder(pictures: 2)
        let script = #"""
            cd "$DIR" && cp 00.png "$(printf 'a\377b.png')" && cp 01.png "$(printf 'n\nl.png')" || exit 9
            "$@" "$(printf 'a\377b.png')" "$(printf 'n\nl.png')" -- -x.png
            """#.replacing("$DIR", with: folder.pictures)
        let outcome = try ToolProcess.shell(
            script, folder.caption + Self.options + ["--ordered", "-q"])
        #expect(outcome.code == 1, "\(outcome.errors)")
        let lines = try CaptionFolder.lines(outcome.output)
        #expect(lines.map(\.name) == ["-x.png", "a\u{FFFD}b.png", "n\nl.png"])
        #expect(lines.map { $0.text == nil } == [true, false, false])
        #expect(outcome.text.contains(#""file_name_base64":"Yf9iLnBuZw==""#))
        // Folders, and lists that find writes.
        let list = try ToolProcess.shell(
            #"find "$DIR" -name '*.png' -print0 | "$@" --filelist -"#
                .replacing("$DIR", with: folder.pictures), folder.caption + Self.options + ["-q"])
        let walked = try ToolProcess.run(folder.caption + Self.options + [folder.pictures, "-q"])
        for outcome in [list, walked] {
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(
                Set(try CaptionFolder.lines(outcome.output).map(\.name)) == [
                    "00.png", "01.png", "a\u{FFFD}b.png", "n\nl.png",
                ])
        }
        let bad = try ToolProcess.shell(
            #""$@" -p "$(printf 'a\377b')""#, folder.caption + Self.options + [folder.pictures])
        #expect(bad.code == 1)
        #expect(bad.errors.contains("is not valid UTF-8 at byte 1"))
    }

    /// Lists and prompts from the editors of other systems.
    @Test func textsFromWindowsAreLikeAllOthers() throws {
        let folder = try CaptionFolder(pictures: 2)
        let list = "\(folder.pictures)/00.png\r\n\(folder.pictures)/01.png\r\n"
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let prompt = try folder.folder.write(mark + Array("What\r\nis it?\r\n".utf8), to: "prompt")
        let lists: [[UInt8]] = [
            mark + Array(list.utf8), [0xFF, 0xFE] + list.utf8.flatMap { [$0, 0] as [UInt8] },
            [0xFE, 0xFF] + list.utf8.flatMap { [0, $0] as [UInt8] },
        ]
        for (index, bytes) in lists.enumerated() {
            let file = try folder.folder.write(bytes, to: "list\(index)")
            let outcome = try ToolProcess.run(
                folder.caption + Self.options + [
                    "--filelist", file, "--prompt-file", prompt, "--ordered", "-q",
                ])
            #expect(outcome.code == 0, "\(outcome.errors)")
            let lines = try CaptionFolder.lines(outcome.output)
            #expect(lines.map(\.name) == ["00.png", "01.png"])
            #expect(lines.map(\.prompt) == ["What\nis it?", "What\nis it?"])
        }
        let endless = try ToolProcess.run(folder.caption + ["--filelist", "/dev/zero"])
        #expect(endless.code == 1)
        #expect(endless.errors.hasPrefix("trimllava: /dev/zero is longer than"))
    }

    @Test func whereThereAreNoPicturesIsNoSuccess() throws {
        let folder = try CaptionFolder(pictures: 1)
        let above = try ToolProcess.run(folder.caption + [folder.folder.path])
        #expect(above.code == 1)
        #expect(
            above.errors.contains(
                "\(folder.folder.path): has no pictures itself, and its subfolders were not searched"
            ))
        #expect(above.errors.contains("subfolders: 1 not searched; --recursive searches them"))
        let list = try folder.folder.write([], to: "list")
        let listed = try ToolProcess.run(folder.caption + ["--filelist", list])
        #expect(listed.code == 1)
        #expect(listed.errors.contains("\(list): names no pictures"))
    }

    @Test func anEmptyAnswerIsAFailure() throws {
        let folder = try CaptionFolder(pictures: 1)
        let text = try #require(try folder.answer(0, Self.options))
        let first = String(text.prefix(1))
        let outcome = try ToolProcess.run(
            folder.caption + Self.options + [
                folder.pictures, "--stop", first, "--prefix", "a photo of ", "--sidecar", ".txt",
                "-o", "-",
            ])
        #expect(outcome.code == 1)
        let lines = try CaptionFolder.lines(outcome.output)
        #expect(lines.map(\.text) == [nil])
        #expect(
            lines[0].error?.hasSuffix("00.png: the answer is empty; stop reason: stop-string")
                == true)
        #expect(!FileManager.default.fileExists(atPath: folder.pictures + "/00.txt"))
        let cut = try ToolProcess.run(
            folder.caption + Self.options + [
                folder.pictures, "--summary", folder.folder.path + "/s",
            ])
        #expect(cut.code == 0 && cut.errors.contains("1 of 1 captions cut by length"))
        let summary = try String(contentsOfFile: folder.folder.path + "/s", encoding: .utf8)
        #expect(summary.contains("\"ended_by_length\":1,"))
    }

    /// Sidecars that cannot be appended to, and a folder with a sidecar's name.
    @Test(arguments: [[], ["--ordered"]])
    func sidecarsThatFailAreFailuresOfTheirPictures(more: [String]) throws {
        let folder = try CaptionFolder(pictures: 4)
        try folder.folder.write([0x63, 0xE9], to: "pictures/01.txt")
        mkdir(folder.pictures + "/02.txt", 0o755)
        let arguments =
            folder.caption + Self.options + more + [
                folder.pictures, "-o", folder.records, "--resume", "--sidecar", ".txt",
                "--existing",
                "append", "--summary", folder.folder.path + "/s",
            ]
        for round in 0..<2 {
            let outcome = try ToolProcess.run(arguments)
            #expect(outcome.code == 1)
            #expect(outcome.errors.contains("01.txt is not valid UTF-8 at byte 1"))
            #expect(outcome.errors.contains("02.png: its sidecar cannot be written: "))
            let lines = try folder.lines()
            #expect(lines.count == 5)
            #expect(lines.filter { $0.error != nil }.map(\.name).sorted() == ["01.png", "02.png"])
            let summary = try String(contentsOfFile: folder.folder.path + "/s", encoding: .utf8)
            #expect(summary.contains("\"failed\":2,"))
            #expect(summary.contains("\"captioned\":\(round == 0 ? 2 : 0),"))
        }
        try folder.folder.write([], to: "pictures/01.txt")
        rmdir(folder.pictures + "/02.txt")
        #expect(try ToolProcess.run(arguments).code == 0)
        try folder.expectOneCaptionEach(4)
        for index in 0..<4 {
            let sidecar = try String(
                contentsOfFile: folder.pictures + "/0\(index).txt", encoding: .utf8)
            #expect(sidecar.hasSuffix("\n") && sidecar.count > 1)
        }
    }

    @Test func shardsMakeTheWhole() throws {
        let folder = try CaptionFolder(pictures: 12)
        var names: [String] = []
        for part in 1...3 {
            let outcome = try ToolProcess.run(
                folder.caption + Self.options + [folder.pictures, "--shard", "\(part)/3", "-q"])
            #expect(outcome.code == 0, "\(outcome.errors)")
            names += try CaptionFolder.lines(outcome.output).map(\.name)
        }
        #expect(names.sorted() == (0..<12).map(CaptionFolder.name))
    }

    @Test func archivesGiveTheirMembers() throws {
        let folder = try CaptionFolder(pictures: 5)
        let archive = folder.folder.path + "/s.tar"
        let tar = try ToolProcess.shell(
            #"tar -C "$DIR" -cf "$TAR" ."#.replacing("$DIR", with: folder.pictures)
                .replacing("$TAR", with: archive), [])
        #expect(tar.code == 0)
        let texts = try folder.answers(Self.options)
        let arguments = folder.caption + Self.options + [archive, "-o", folder.records, "--resume"]
        #expect(try ToolProcess.run(arguments).code == 0)
        try folder.expectOneCaptionEach(5, texts: texts)
        let again = try ToolProcess.run(arguments)
        #expect(again.code == 0 && again.errors.contains("pictures: 0 to caption, 5 captioned"))
        try folder.expectOneCaptionEach(5)
    }

    @Test func twoRunsOnOneOutputRefuseEachOther() throws {
        let folder = try CaptionFolder(pictures: 40)
        let arguments =
            ModelFiles.vicuna.caption + [
                folder.pictures, "--template", "vicuna", "-n", "300", "--ignore-eos", "-o",
                folder.records, "--resume", "--parallel", "2",
            ]
        let first = try ToolProcess(arguments)
        try first.waitForErrors("to caption")
        // It is not done before the second one starts.
        first.send(signal: SIGSTOP)
        let second = try ToolProcess.run(arguments)
        #expect(second.code == 1)
        #expect(second.errors == "trimllava: \(folder.records): another run is writing to it\n")
        first.send(signal: SIGKILL)
        _ = try first.finish()
    }

    static let badUsage: [([String], String)] = [
        ([], "give pictures, folders or --filelist"),
        (["p", "--resume"], "-o FILE"),
        (["p", "--resume", "-o", "-"], "-o FILE"),
        (["p", "--existing", "append", "--sidecar", ".txt"], "needs -o FILE"),
        (["p", "--existing", "overwrite"], "--existing needs --sidecar"),
        (["p", "--existing", "maybe", "--sidecar", ".txt"], "'prepend'"),
        (["p", "--sidecar", "txt"], "expected an extension"),
        (["p", "--sidecar", ".a/b"], "expected an extension"),
        (["p", "--shard", "3/2"], "expected i/n"),
        (["p", "--parallel", "0"], "expected auto or a number"),
        (["p", "--max-errors", "-1"], "--max-errors is -1"),
        (["p", "--raw"], "--raw needs"),
        (["p", "-p", ""], "--prompt is empty"),
        (["p", "--min-tokens", "9", "-n", "8"], "the least number of new tokens is 9"),
        (["--filelist", "-", "--prompt-file", "-"], "standard input can be only one"),
        (["p", "-o", ""], "is empty"),
    ]

    @Test(arguments: badUsage)
    func wrongUsageIsRefusedAtOnce(arguments: [String], message: String) throws {
        let outcome = try ToolProcess.run(ModelFiles.llama3.caption + arguments)
        #expect(outcome.code == 2)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.contains(message), "\(outcome.errors)")
    }
}
