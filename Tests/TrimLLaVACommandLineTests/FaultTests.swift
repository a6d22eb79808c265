// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

#if os(Linux)
    /// Runs in which one system call goes wrong; `tools/check-faults` tries all of them.
    @Suite struct FaultTests {
        private let captions: CaptionFolder
        private var folder: TemporaryFolder { captions.folder }

        init() throws { captions = try CaptionFolder(pictures: 2) }

        /// `caption` with records.
        private var caption: [String] {
            captions.caption + [
                captions.pictures, "-o", captions.records, "-n", "2", "-t", "1", "--ordered",
            ]
        }

        private func text(_ name: String) throws -> String {
            try String(contentsOfFile: folder.path + "/" + name, encoding: .utf8)
        }

        private func temporaryFiles() throws -> [String] {
            try FileManager.default.subpathsOfDirectory(atPath: folder.path)
                .filter { $0.hasSuffix(".tmp") }
        }

        /// Runs a command once for each call of a kind about a file, in what `prepare` makes of the folder.
        private func forEach(
            _ call: String, _ file: String, _ code: Int32, _ arguments: [String],
            prepare: () throws -> Void, check: (Outcome, Fault) throws -> Void
        ) throws {
            for number in 1... {
                try prepare()
                let fault = Fault(call, file, number: number, code)
                guard let outcome = try fault.run(arguments, below: folder) else {
                    #expect(number > 1, "the tool makes no such call")
                    return
                }
                try check(outcome, fault)
            }
        }

        private func removeRecords() throws {
            if FileManager.default.fileExists(atPath: captions.records) {
                try FileManager.default.removeItem(atPath: captions.records)
            }
        }

        @Test(arguments: [
            ("open", "text.gguf"), ("open", "00.png"), ("read", "00.png"),
            ("open", "captions.jsonl"), ("flock", "captions.jsonl"), ("write", "captions.jsonl"),
            ("fsync", "captions.jsonl"), ("open", ".00.txt.trimllava.tmp"),
            ("flock", ".00.txt.trimllava.tmp"), ("fsync", ".00.txt.trimllava.tmp"),
            ("open", "prompt.txt"), ("read", "prompt.txt"), ("open", "list.txt"),
        ])
        func interruptedCallsAreRepeated(call: String, file: String) throws {
            try folder.write(Array("What is this?\n".utf8), to: "prompt.txt")
            try folder.write(Array("\(captions.pictures)/01.png\n".utf8), to: "list.txt")
            let arguments =
                caption + [
                    "--sidecar", ".txt", "--prompt-file", folder.path + "/prompt.txt",
                    "--filelist", folder.path + "/list.txt",
                ]
            let outcome = try #require(
                try Fault(call, file, EINTR).run(arguments, below: folder))
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(try captions.lines().count == 2)
        }

        @Test func interruptedCallsOnArchivesAreRepeated() throws {
            let archive = folder.path + "/set.tar"
            let made = try ToolProcess.shell(
                #"tar -C "$2" -cf "$3" 00.png"#, [captions.pictures, archive])
            try #require(made.code == 0, "\(made.errors)")
            let arguments = captions.caption + [archive, "-o", captions.records, "-n", "2"]
            try forEach("open", "set.tar", EINTR, arguments, prepare: removeRecords) {
                #expect($0.code == 0, "\($1): \($0.errors)")
            }
            try removeRecords()
            let outcome = try #require(
                try Fault("read", "set.tar", EIO).run(arguments, below: folder))
            #expect(outcome.code == 1)
            #expect(outcome.errors.contains("Input/output error"), "\(outcome.errors)")
        }

        @Test func shortReadsAreContinued() throws {
            _ = try ToolProcess.run(caption)
            let fault = Fault("read", "captions.jsonl", mode: "short")
            let outcome = try #require(
                try fault.run(caption + ["--resume"], below: folder))
            #expect(outcome.code == 0, "\(outcome.errors)")
        }

        /// A temporary file that cannot be examined after it was made is deleted.
        @Test func noTemporaryFileStays() throws {
            try forEach(
                "stat", ".00.txt.trimllava.tmp", EIO, caption + ["--sidecar", ".txt"],
                prepare: {
                    try removeRecords()
                    try? FileManager.default.removeItem(atPath: captions.pictures + "/00.txt")
                    try? FileManager.default.removeItem(atPath: captions.pictures + "/01.txt")
                }
            ) { outcome, fault in
                let left = try temporaryFiles()
                #expect(left == [], "\(fault)")
                #expect(outcome.code == 1, "\(fault)")
                #expect(outcome.errors.contains("Input/output error"), "\(outcome.errors)")
            }
        }

        /// A folder that cannot be synchronised may lose the new name.
        @Test func folderThatIsNotSynchronisedIsAFailure() throws {
            let fault = Fault("fsync", "pictures", EIO)
            let outcome = try #require(
                try fault.run(caption + ["--sidecar", ".txt"], below: folder))
            #expect(outcome.code == 1)
            #expect(outcome.errors.contains("00.txt: cannot be written: Input/output error"))
        }

        /// What cannot be examined may be there.
        @Test(arguments: ["skip", "append"])
        func textThatCannotBeExaminedIsKept(existing: String) throws {
            try folder.write(Array("by hand\n".utf8), to: "pictures/00.txt")
            let fault = Fault("stat", "00.txt", EIO, stays: true)
            let outcome = try #require(
                try fault.run(
                    caption + ["--sidecar", ".txt", "--existing", existing], below: folder))
            #expect(outcome.code == 1)
            #expect(outcome.errors.contains("00.txt"), "\(outcome.errors)")
            #expect(try text("pictures/00.txt") == "by hand\n")
        }

        @Test func rowsOfOthersAreKept() throws {
            let row = #"{"file_name":"other.png","text":"by hand"}"# + "\n"
            try forEach(
                "stat", "metadata.jsonl", EIO,
                caption + ["--metadata", captions.pictures + "/metadata.jsonl"],
                prepare: {
                    try removeRecords()
                    try folder.write(Array(row.utf8), to: "pictures/metadata.jsonl")
                }
            ) { outcome, fault in
                let rows = try text("pictures/metadata.jsonl")
                #expect(rows.hasPrefix(row), "\(fault)")
                #expect(outcome.code < 2, "\(fault): \(outcome.errors)")
            }
        }

        /// The names in a `metadata.jsonl` come from folders without links.
        @Test func metadataNamesPicturesOrFails() throws {
            let arguments = caption + ["--metadata", captions.pictures + "/metadata.jsonl"]
            try forEach(
                "stat", "pictures", EIO, arguments,
                prepare: {
                    try removeRecords()
                    try? FileManager.default.removeItem(
                        atPath: captions.pictures + "/metadata.jsonl")
                }
            ) { outcome, fault in
                #expect(outcome.code < 2, "\(fault): \(outcome.errors)")
                guard outcome.code == 0 else { return }
                let rows = try text("pictures/metadata.jsonl")
                #expect(rows.contains(#""file_name":"00.png""#), "\(fault)")
            }
        }

        @Test func shardsHaveAllPicturesOrFail() throws {
            try forEach(
                "stat", "00.png", EIO, caption + ["--tar", folder.path + "/shards"],
                prepare: {
                    try removeRecords()
                    try? FileManager.default.removeItem(atPath: folder.path + "/shards")
                }
            ) { outcome, fault in
                guard outcome.code == 0 else { return }
                let shard = try Data(
                    contentsOf: URL(fileURLWithPath: folder.path + "/shards/00000.tar"))
                #expect(shard.range(of: Data("000000000.png".utf8)) != nil, "\(fault)")
            }
        }

        /// The size of the model's files is part of what a record is about.
        @Test func recordsNameTheModelOrFail() throws {
            _ = try ToolProcess.run(caption)
            func settings() throws -> Set<Substring> {
                Set(try text("captions.jsonl").matches(of: /"settings":"(\w+)"/).map(\.1))
            }
            let expected = try settings()
            try forEach("stat", "mmproj.gguf", EIO, caption, prepare: removeRecords) {
                outcome, fault in
                guard outcome.code == 0 else { return }
                let found = try settings()
                #expect(found == expected, "\(fault)")
            }
        }

        @Test func recordsThatCannotBeExaminedAreNotCalledRemoved() throws {
            try forEach("stat", "captions.jsonl", EIO, caption, prepare: removeRecords) {
                outcome, fault in
                #expect(!outcome.errors.contains("was removed"), "\(fault)")
                if outcome.code != 0 {
                    #expect(outcome.errors.contains("Input/output error"), "\(fault)")
                }
            }
        }

        @Test func pictureThatCannotBeExaminedIsNotCalledChanged() throws {
            try forEach("stat", "00.png", EIO, caption, prepare: removeRecords) { outcome, fault in
                #expect(!outcome.errors.contains("was changed"), "\(fault)")
            }
        }

        /// The error that ended the job counts, whatever happens to the summary afterwards.
        @Test func summaryHidesNoError() throws {
            let arguments = caption + ["--summary", folder.path + "/summary.json"]
            // The first two calls check the summary's folder and make the record file.
            let fault = Fault("space", nil, number: 3, ENOSPC, stays: true)
            let outcome = try #require(try fault.run(arguments, below: folder))
            #expect(outcome.code == 1)
            for file in ["captions.jsonl", "summary.json"] {
                #expect(
                    outcome.errors.contains("\(file): cannot be written: No space left on device"),
                    "\(outcome.errors)")
            }
            #expect(try text("captions.jsonl") == "")
        }

        @Test func answersHaveNoTornLine() throws {
            let lines = ["00", "01"].map {
                #"{"id":"\#($0)","image":"pictures/\#($0).png","question":"What?","answers":["a"]}"#
            }
            let questions = try folder.write(
                Array(lines.map { "\($0)\n" }.joined().utf8), to: "q.jsonl")
            let arguments = [
                "eval", "-m", ModelFiles.llama3.text, "--mmproj", ModelFiles.llama3.projector,
                questions, "--keep", "4", "--selector", "random", "-n", "2", "-t", "1",
                "--answers", folder.path + "/answers.jsonl",
            ]
            // The first call makes the file, the second writes its header, the third an answer.
            for number in 2...3 {
                let fault = Fault("space", "answers.jsonl", number: number, ENOSPC, stays: true)
                let run = try fault.run(arguments, below: folder)
                let outcome = try #require(run, "\(fault)")
                #expect(outcome.code == 1)
                #expect(outcome.errors.contains("No space left on device"))
                let answers = try text("answers.jsonl")
                #expect(answers.isEmpty || answers.hasSuffix("\n"), "\(answers)")
            }
            #expect(try ToolProcess.run(arguments).code == 0)
        }
    }
#endif
