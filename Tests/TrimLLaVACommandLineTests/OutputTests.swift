// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// Outputs never destroy existing files, whatever their paths lead to.
@Suite struct OutputTests {
    private let folder: CaptionFolder
    private let options = ["-n", "3", "--ignore-eos", "-q"]

    init() throws {
        folder = try CaptionFolder(pictures: 2)
    }

    private func path(_ name: String) -> String { folder.folder.path + "/" + name }

    private func contents() throws -> [String: Data] {
        let root = folder.folder.path
        var files: [String: Data] = [:]
        for case let name as String in FileManager.default.enumerator(atPath: root) ?? .init() {
            files[name] = FileManager.default.contents(atPath: root + "/" + name)
        }
        return files
    }

    /// Runs a command in a folder with `pictures`, `text.gguf` and `mmproj.gguf`.
    private func run(_ arguments: [String], _ redirection: String = "") throws -> Outcome {
        try ToolProcess.shell(
            "cd '\(folder.folder.path)' && \"$@\" \(redirection)", arguments)
    }

    private func caption(_ arguments: [String], _ redirection: String = "") throws -> Outcome {
        try run(folder.caption + options + arguments, redirection)
    }

    static let conflicts: [([String], String)] = [
        (["--sidecar", ".png", "--existing", "overwrite"], "an extension of pictures"),
        (["--sidecar", ".caption.JPG"], "an extension of pictures"),
        (["--csv", "pictures/00.png"], "would overwrite pictures/00.png, which the command reads"),
        (["--summary", "pictures/../pictures/01.png"], "would overwrite"),
        (["-o", "pictures/00.png", "--resume"], "would overwrite"),
        (["--csv", "hard"], "would overwrite"), (["--csv", "soft"], "would overwrite"),
        (["--csv", "list", "--filelist", "list"], "would overwrite --filelist list"),
        (["--csv", "list", "--prompt-file", "list"], "would overwrite --prompt-file list"),
        (["-o", "text.gguf"], "would overwrite --model"),
        (["--summary", "mmproj.gguf"], "would overwrite --mmproj"),
        (["-o", "x", "--csv", "./x"], "--csv ./x and -o x are the same file"),
        (["-o", "x", "--metadata", "dot/x"], "--metadata dot/x and -o x are the same file"),
        (["-o", "x", "--summary", "x"], "--summary x and -o x are the same file"),
        (["--csv", "x", "--summary", "x.records"], "and the records in x.records are the same"),
        (["--summary", "-"], "--summary - and standard output are the same file"),
        (["-o", "r", "--csv", "-", "--summary", "-"], "are the same file"),
        (["--csv", "-"], "needs -o FILE"), (["--csv", "/dev/null"], "needs -o FILE"),
        (["--metadata", "-"], "needs a file"), (["--tar", "-"], "needs a folder"),
        (["--metadata", "metadata/x.jsonl"], "cannot name pictures/00.png"),
        (["-o", "pictures/00.txt", "--sidecar", ".txt"], "the caption in pictures/00.txt and -o"),
        (["tar/00000.tar", "--tar", "tar"], "--tar tar/00000.tar would overwrite tar/00000.tar"),
        (["--join", ", "], "--join needs"),
    ]

    @Test(arguments: conflicts)
    func outputsThatAreNeededOtherwiseAreWrongUsage(arguments: [String], message: String) throws {
        link(folder.pictures + "/00.png", path("hard"))
        symlink("pictures/00.png", path("soft"))
        symlink(".", path("dot"))
        try folder.folder.write(Array("pictures/00.png\n".utf8), to: "list")
        try FileManager.default.createDirectory(
            atPath: path("tar"), withIntermediateDirectories: true)
        let tar = try ToolProcess.shell(
            "tar -C '\(folder.pictures)' -cf '\(path("tar/00000.tar"))' 00.png", [])
        #expect(tar.code == 0)
        let before = try contents()
        let outcome = try caption(["pictures"] + arguments)
        #expect(outcome.code == 2, "\(outcome.errors)")
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.contains(message), "\(outcome.errors)")
        #expect(try contents() == before)
    }

    @Test func otherCommandsKeepTheirInputsToo() throws {
        let question = #"{"image":"pictures/00.png","question":"What?","answers":["x"]}"# + "\n"
        try folder.folder.write(Array(question.utf8), to: "q.jsonl")
        let before = try contents()
        let model = Array(folder.model.run.dropFirst())
        let picture = "pictures/00.png"
        let commands = [
            ["prune-map", picture, "--keep", "9", "-o", picture],
            ["prune-map", picture, "--keep", "9", "-o", "map.jpg"],
            ["run", picture, "--keep", "9", "--prune-map", "./" + picture],
            ["run", picture, "--keep", "9", "--prune-map", "-"],
            ["run", picture, "--keep", "9", "--prune-map", "map.webp"],
            ["bench", picture, "--plot", "text.gguf"], ["bench", picture, "--plot", "plot.png"],
            ["eval", "q.jsonl", "--answers", "q.jsonl"], ["eval", "q.jsonl", "--plot", "q.jsonl"],
            ["eval", "q.jsonl", "--answers", picture],
            ["eval", "q.jsonl", "--answers", "x", "--plot", "x"],
        ]
        for command in commands {
            let outcome = try run(command + model)
            #expect(outcome.code == 2 && outcome.output.isEmpty, "\(command): \(outcome.errors)")
        }
        #expect(try contents() == before)
    }

    @Test func answersAreNotWrittenToAnythingElse() throws {
        let question = #"{"image":"pictures/00.png","question":"What?","answers":["x"]}"# + "\n"
        try folder.folder.write(Array(question.utf8), to: "q.jsonl")
        for text in ["no answers", "no\nanswers"] {
            try folder.folder.write(Array(text.utf8), to: "notes")
            let outcome = try run(
                ["eval", "q.jsonl", "--answers", "notes"] + folder.model.run.dropFirst())
            #expect(outcome.code == 1)
            #expect(try String(contentsOfFile: path("notes"), encoding: .utf8) == text)
        }
    }

    @Test func outputsGoWhereTheirPathsLead() throws {
        #expect(try caption(["pictures", "-o", "r", "--summary", "/dev/null"]).code == 0)
        let type = try FileManager.default.attributesOfItem(atPath: "/dev/null")[.type]
        #expect(type as? FileAttributeType == .typeCharacterSpecial)
        let table = try caption(["pictures", "-o", "r", "--resume", "--csv", "-"])
        #expect(table.text.hasPrefix("file_name,text,") && table.code == 0)
        #expect(try caption(["pictures", "-o", "r", "--resume", "--summary", "-"]).code == 0)
        // The output goes to the file that the shell has opened, not to a new one of its name.
        let both = try caption(
            ["pictures", "-o", "r", "--resume", "--csv", "/dev/stdout"],
            "> table; echo end >> table")
        #expect(both.code == 0)
        let written = try String(contentsOfFile: path("table"), encoding: .utf8)
        #expect(written == table.text + "end\n")
        // Records have no place beside a device, even if the shell made it a file.
        let alone = try caption(["pictures", "--csv", "/dev/stdout"], "> other")
        #expect(alone.code == 2 && alone.errors.contains("needs -o FILE"))
        #expect(!FileManager.default.fileExists(atPath: path("-")))
        #expect(try contents().keys.allSatisfy { !$0.contains("trimllava.tmp") })
    }

    @Test func closedStreamsTakeNothingFromFiles() throws {
        let quiet = try caption(["pictures", "-o", "r"], "2>&-")
        #expect(quiet.code == 0)
        try #expect(folder.lines(path("r")).count == 2)
        let answer = try run(folder.model.run + ["pictures/00.png", "--template", "vicuna"], ">&-")
        #expect(answer.code == 1)
        #expect(answer.errors.contains("cannot write the output: Bad file descriptor"))
        let list = try caption(["--filelist", "-", "-o", "r2"], "<&-")
        #expect(list.code == 1 && list.errors.contains("standard input: Bad file descriptor"))
    }

    @Test func aLimitOnFilesIsAnErrorAndNoSignal() throws {
        let outcome = try ToolProcess.shell(
            #"ulimit -f 1; exec "$@""#,
            folder.caption + ["-n", "200", "--ignore-eos", folder.pictures, "-o", folder.records])
        #expect(outcome.code == 1, "\(outcome.errors)")
        #expect(outcome.errors.contains("cannot be written: File too large"))
        let cached = try ToolProcess.shell(
            #"ulimit -f 8; exec "$@""#,
            folder.caption + options + [folder.pictures, "--pack-cache", path("cache")])
        #expect(cached.code == 0 && cached.errors.contains("weights are packed at every start"))
    }

    @Test func aFullDiskIsSaidInTheSystemsWords() throws {
        for option in [["--summary", "/dev/full"], ["-o", "r", "--csv", "/dev/full"]] {
            let outcome = try caption(["pictures"] + option)
            #expect(outcome.code == 1)
            #expect(
                outcome.errors
                    == "trimllava: /dev/full: cannot be written: No space left on device\n")
        }
        let plot = try run(
            [
                "bench", "pictures/00.png", "--template", "vicuna", "--keep", "9", "-n", "1", "-r",
                "1",
            ]
                + ["--plot", "/dev/full"] + folder.model.run.dropFirst())
        #expect(plot.code == 1 && plot.errors.hasSuffix("No space left on device\n"))
    }

    @Test func foldersThatCannotBeWrittenAreKnownBeforeTheWork() throws {
        let outcome = try run(
            ["bench", "pictures/00.png", "--plot", "absent/plot.svg"] + folder.model.run.dropFirst()
        )
        #expect(outcome.code == 1 && outcome.output.isEmpty)
        #expect(outcome.errors.contains("absent/plot.svg: cannot be written"))
    }

    @Test func picturesOfSeveralFoldersKeepTheirNames() throws {
        try FileManager.default.copyItem(atPath: folder.pictures, toPath: path("more"))
        let outcome = try caption(["pictures", "more", "--output-dir", "out", "-o", "r"])
        #expect(outcome.code == 0, "\(outcome.errors)")
        let names = try FileManager.default.subpathsOfDirectory(atPath: path("out")).sorted()
        #expect(
            names == [
                "more", "more/00.txt", "more/01.txt", "pictures", "pictures/00.txt",
                "pictures/01.txt",
            ])
    }

    @Test func captionsOfSeveralPromptsAreJoined() throws {
        let arguments = ["pictures", "-p", "What?", "-p", "Where?", "--ordered"]
        let outcome = try caption(
            arguments + ["-o", "r", "--sidecar", ".txt", "--join", " / ", "--tar", "out"])
        #expect(outcome.code == 0, "\(outcome.errors)")
        let texts = try folder.lines(path("r")).prefix(2).map {
            ($0.text ?? "").split(whereSeparator: \.isNewline).joined(separator: " ")
        }
        let sidecar = try String(contentsOfFile: folder.pictures + "/00.txt", encoding: .utf8)
        #expect(sidecar == texts.joined(separator: " / ") + "\n")
    }

    @Test func aFolderHasOneWriterOfCaptions() throws {
        let first = try ToolProcess(
            folder.caption + [
                "-n", "3000", "--ignore-eos", folder.pictures, "-o", path("first"),
                "--output-dir", path("out"),
            ])
        try first.waitForErrors("to caption")
        let second = try caption(["pictures", "-o", "second", "--output-dir", "out"])
        #expect(second.code == 1)
        #expect(second.errors == "trimllava: out: another run is writing to it\n")
        first.send(signal: SIGKILL)
        _ = try first.finish()
    }

    @Test func moreFoldersAreLockedThanFilesMayBeOpen() throws {
        let folders = (0..<100).map { path("many/\($0)") }
        for folder in folders {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true)
        }
        try FileManager.default.copyItem(
            atPath: folder.pictures + "/00.png", toPath: folders[0] + "/00.png")
        let outcome = try ToolProcess.shell(
            #"ulimit -Sn 64; exec "$@""#,
            folder.caption + options + folders + ["--sidecar", ".txt", "-o", folder.records])
        #expect(!outcome.errors.contains("Too many open files"))
        #expect(FileManager.default.fileExists(atPath: folders[0] + "/00.txt"))
    }

    @Test func metadataKeepsWhatOthersWrote() throws {
        let row = #"{"file_name":"00.png","text":"by hand","n":1}"#
        try folder.folder.write(Array((row + "\n").utf8), to: "pictures/metadata.jsonl")
        let arguments = ["pictures", "--metadata", "pictures/metadata.jsonl", "--resume"]
        let kept = try run(
            folder.caption + ["-n", "3", "--ignore-eos"] + arguments)
        #expect(kept.code == 0 && kept.errors.contains("texts kept that are in no record: 1"))
        let file = folder.pictures + "/metadata.jsonl"
        let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 2 && lines[0] == row)
        #expect(try caption(arguments + ["--existing", "overwrite"]).code == 0)
        #expect(try !String(contentsOfFile: file, encoding: .utf8).contains("by hand"))
    }

    @Test func shardsOfAnotherRunStay() throws {
        #expect(try caption(["pictures", "--tar", "out", "-o", "r"]).code == 0)
        #expect(try caption(["pictures", "--tar", "out", "-o", "r", "--resume"]).code == 0)
        let before = try contents()
        let other = try caption(["pictures/00.png", "--tar", "out", "-o", "other"])
        #expect(other.code == 1)
        #expect(
            other.errors
                == "trimllava: out has shards that this job did not write, such as 00000.tar; give "
                + "another folder\n")
        #expect(try contents() == before)
    }
}
