// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

#if os(Linux)
    /// Commands with `--sandbox` do the same as without.
    @Suite struct SandboxCommandTests {
        private let sandbox = ["--sandbox"]

        private func expectSame(_ arguments: [String], input: [UInt8] = []) throws {
            let open = try ToolProcess.run(arguments, input: input)
            let closed = try ToolProcess.run(arguments + sandbox, input: input)
            #expect(open.code == 0 && closed.code == 0, "\(closed.errors)")
            #expect(closed.output == open.output)
            #expect(closed.errors == open.errors)
        }

        @Test func anAnswerIsTheSame() throws {
            let picture = [UInt8](
                try Data(contentsOf: URL(fileURLWithPath: picturePath("landscape"))))
            try expectSame(["run", picturePath("landscape"), "-n", "8", "-q"])
            try expectSame(["run", "-", "-n", "8", "-q", "--keep", "64"], input: picture)
        }

        @Test func outputsOfOtherCommandsAreTheSame() throws {
            let folder = try TemporaryFolder()
            let map = ["prune-map", picturePath("wide"), "--keep", "64", "-q", "-o"]
            var maps: [Data] = []
            for arguments in [
                map + [folder.path + "/a.png"], map + [folder.path + "/b.png"] + sandbox,
            ] {
                let outcome = try ToolProcess.run(arguments)
                #expect(outcome.code == 0, "\(outcome.errors)")
                maps.append(try Data(contentsOf: URL(fileURLWithPath: arguments[6])))
            }
            #expect(maps[0] == maps[1])
            try expectSame(["inspect", ModelFiles.vicuna.text])
            let bench = try ToolProcess.run(
                [
                    "bench", picturePath("wide"), "-n", "2", "-r", "1", "--plot",
                    folder.path + "/p.svg",
                ]
                    + sandbox)
            #expect(bench.code == 0, "\(bench.errors)")
        }

        @Test func stagesAndCachesGoWhereTheyWereAskedTo() throws {
            let folder = try TemporaryFolder()
            let outcome = try ToolProcess.run(
                ["run", picturePath("wide"), "-n", "4", "-q", "--dump", folder.path + "/new/dump"]
                    + ["--pack-cache", folder.path + "/new/cache"] + sandbox)
            #expect(outcome.code == 0 && outcome.errors == "", "\(outcome.errors)")
            for part in ["dump", "cache"] {
                #expect(
                    try !FileManager.default.contentsOfDirectory(
                        atPath: "\(folder.path)/new/\(part)"
                    ).isEmpty)
            }
        }

        @Test func captionsAreTheSameAndContinue() throws {
            let captions = try CaptionFolder(pictures: 5)
            let options = ["-n", "4", "-q", "--ordered"]
            let all = captions.caption + [captions.pictures] + options
            let expected = try ToolProcess.run(all)
            let output =
                ["-o", captions.records, "--csv", captions.folder.path + "/new/table.csv"]
                + ["--tar", captions.folder.path + "/shards", "--sidecar", ".txt"] + sandbox
            let part = captions.caption + [captions.pictures + "/0[01].png"] + options
            let first = try ToolProcess.run(part + ["-o", captions.records] + sandbox)
            #expect(first.code == 0, "\(first.errors)")
            let second = try ToolProcess.run(all + output + ["--resume"])
            #expect(second.code == 0, "\(second.errors)")
            try captions.expectOneCaptionEach(
                5, texts: try CaptionFolder.lines(expected.output).map(\.text))
            let names = try FileManager.default.contentsOfDirectory(atPath: captions.pictures)
            #expect(names.filter { $0.hasSuffix(".txt") }.count == 5)
            for made in ["new/table.csv", "shards"] {
                #expect(FileManager.default.fileExists(atPath: captions.folder.path + "/" + made))
            }
        }

        @Test func listsAndFoldersForCaptionsWork() throws {
            let captions = try CaptionFolder(pictures: 3)
            let list = try captions.folder.write(
                Array(
                    (0..<3).map { captions.pictures + "/" + CaptionFolder.name($0) }
                        .joined(separator: "\n").utf8), to: "list.txt")
            let outcome = try ToolProcess.run(
                captions.caption + ["--filelist", list, "-n", "2", "-q"]
                    + ["--output-dir", captions.folder.path + "/deep/texts"] + sandbox)
            #expect(outcome.code == 0, "\(outcome.errors)")
            let texts = try FileManager.default.subpathsOfDirectory(
                atPath: captions.folder.path + "/deep/texts")
            #expect(texts.filter { $0.hasSuffix(".txt") }.count == 3)
        }

        /// The process itself, and a picture that lies elsewhere, show that the sandbox is closed.
        @Test func aChatCannotOpenPicturesElsewhere() throws {
            let folder = try TemporaryFolder()
            let picture = try folder.write([0], to: "a.png")
            let chat = try ToolProcess(
                ["run", "-i", "-q", "-n", "2", picturePath("wide")] + sandbox)
            try chat.send(Array("one\n".utf8))
            try chat.waitForOutput { $0.contains(UInt8(ascii: "\n")) }
            #expect(try chat.status("Seccomp") == "2" && chat.status("NoNewPrivs") == "1")
            try chat.send(Array("/image \(picture)\n/image \(picturePath("square"))\ntwo\n".utf8))
            let outcome = try chat.finish()
            #expect(
                outcome.errors.contains("a.png: cannot be read: Permission denied")
                    || outcome.errors.contains("Permission denied"), "\(outcome.errors)")
            #expect(!outcome.errors.contains("square"), "\(outcome.errors)")
        }

        @Test func evaluationsContinue() throws {
            let folder = try TemporaryFolder()
            let line =
                #"{"image": "\#(picturePath("wide"))", "question": "What?", "answers": ["a"]}"#
            let questions = try folder.write(Array(line.utf8), to: "questions.jsonl")
            let eval = ["eval", questions, "--keep", "64", "-n", "2", "--answers"]
            let open = try ToolProcess.run(eval + [folder.path + "/open.jsonl"])
            for _ in 0..<2 {
                let closed = try ToolProcess.run(eval + [folder.path + "/closed.jsonl"] + sandbox)
                #expect(closed.code == 0 && closed.output == open.output, "\(closed.errors)")
            }
        }

        @Test func aServerAnswers() throws {
            let folder = try TemporaryFolder()
            let server = try ToolProcess(
                ["serve", "--port", "0", "-q", "--media-path", Fixture.path("models/pictures")]
                    + ["--pack-cache", folder.path + "/cache"] + sandbox)
            try server.waitForOutput { $0.contains(UInt8(ascii: "\n")) }
            let line = String(decoding: server.outputChunks.flatMap(\.self), as: UTF8.self)
            let address = try #require(line.firstMatch(of: /http:\/\/[0-9.:]+/)).output
            let body = """
                {"max_tokens": 4, "messages": [{"role": "user", "content": [{"type": "text", "text": "What?"},
                {"type": "image_url", "image_url": {"url": "file://\(picturePath("wide"))"}}]}]}
                """
            let script = """
                for i in $(seq 100); do curl -sf $1/health >/dev/null && break; sleep 0.1; done
                curl -sS -H 'Content-Type: application/json' -d "$2" $1/v1/chat/completions
                """
            let client = try ToolProcess(
                ["-c", script, "sh", String(address), body], executable: "/bin/sh")
            let answer = try client.finish()
            #expect(answer.text.contains(#""content""#), "\(answer.text) \(answer.errors)")
            #expect(try server.status("Seccomp") == "2")
            server.send(signal: SIGTERM)
            #expect(try server.finish().code == 0)
            #expect(
                try !FileManager.default.contentsOfDirectory(atPath: folder.path + "/cache").isEmpty
            )
        }
    }

    extension ToolProcess {
        /// A field of what the kernel says about the process.
        fileprivate func status(_ field: String) throws -> String? {
            try String(contentsOfFile: "/proc/\(number)/status", encoding: .utf8)
                .split(separator: "\n").first { $0.hasPrefix(field + ":") }
                .map { $0.dropFirst(field.count + 1).trimmingCharacters(in: .whitespaces) }
        }
    }
#endif
