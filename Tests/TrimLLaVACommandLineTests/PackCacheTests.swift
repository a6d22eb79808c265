// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// `--pack-cache` and `--quantize` of the built program.
@Suite struct PackCacheTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    private let run =
        ModelFiles.vicuna.run
        + ["--template", "vicuna", "-n", "8", "--ignore-eos", "-q", picturePath("square")]

    private func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path)
    }

    private func endings() throws -> [String] {
        try names().map { URL(fileURLWithPath: $0).pathExtension }.sorted()
    }

    private func report(_ arguments: [String]) throws -> [String: Any] {
        let outcome = try ToolProcess.run(arguments + ["--json", "--pack-cache", folder.path])
        #expect(outcome.code == 0 && outcome.errors == "")
        return try #require(
            try JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any])
    }

    @Test func reportsSayWhatWasReadFromTheCache() throws {
        let reports = try (0..<2).map { _ in try report(run) }
        #expect(reports[0]["text"] as? String == reports[1]["text"] as? String)
        #expect(reports[0]["prompt_tokens"] as? Int == reports[1]["prompt_tokens"] as? Int)
        #expect(reports[0]["stored_prompt_tokens"] == nil)
        let stored = try #require(reports[1]["stored_prompt_tokens"] as? Int)
        #expect(stored >= 16)
        let other = try report(run.filter { $0 != "-q" } + ["--kv-cache", "f32"])
        #expect(other["stored_prompt_tokens"] == nil)
    }

    /// Every answer of a benchmark, and of a chat that was begun again, starts with the stored rows.
    @Test func benchmarksAndChatsUseTheCache() throws {
        _ = try report(run)
        let bench = try ToolProcess.run(
            ["bench"] + run.dropFirst().filter { !["-q", "--ignore-eos"].contains($0) } + [
                "--keep", "4", "-r", "1", "-o", "json", "--pack-cache", folder.path, "-p",
                "Describe this picture.",
            ])
        let json = try #require(
            try JSONSerialization.jsonObject(with: Data(bench.output)) as? [String: Any],
            "\(bench.errors)")
        let rows = try #require(json["results"] as? [[String: Any]])
        #expect(rows.count == 2)
        #expect(rows.allSatisfy { ($0["stored_prompt_tokens"] as? Int ?? 0) >= 16 })
        let names = try names()
        let chat = try ToolProcess.run(
            run + ["--interactive", "--pack-cache", folder.path],
            input: Array("one\n/reset\ntwo\n".utf8))
        #expect(chat.code == 0 && chat.errors == "")
        #expect(try Set(self.names()) == Set(names))
    }

    @Test func damagedRowsAreReportedAndComputedAgain() throws {
        let first = try report(run)
        let file = try #require(try names().first { $0.hasSuffix(".prefix") })
        let path = "\(folder.path)/\(file)"
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        bytes[bytes.count - 1] ^= 1
        bytes[4096] ^= 1
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        let outcome = try ToolProcess.run(run + ["--pack-cache", folder.path])
        #expect(outcome.code == 0 && outcome.text == "\(first["text"] as? String ?? "")\n")
        #expect(
            outcome.errors
                == "trimllava: warning: \(path): damaged; what prompts start with is computed again\n"
        )
        #expect(try report(run)["stored_prompt_tokens"] != nil)
    }

    @Test func startsAtTheSameTimeDoNotDisturbEachOther() throws {
        let expected = try ToolProcess.run(run)
        let options = ["--pack-cache", folder.path]
        let starts = try (0..<4).map { _ in try ToolProcess(run + options) }
        for start in starts {
            let outcome = try start.finish()
            #expect(outcome.code == 0 && outcome.errors == "")
            #expect(outcome.text == expected.text)
        }
        // One file for the vision tower, one for the text model, one for the text before the picture.
        #expect(try endings() == ["panels", "panels", "prefix"])
        let last = try ToolProcess.run(run + options)
        #expect(last.text == expected.text && last.errors == "")
    }

    @Test func aFullDiskIsAWarning() throws {
        let expected = try ToolProcess.run(run)
        // Files are limited to 4 KB.
        let outcome = try ToolProcess.shell(
            #"ulimit -f 8; exec "$@""#, run + ["--pack-cache", folder.path])
        #expect(outcome.code == 0 && outcome.text == expected.text)
        #expect(outcome.errors.contains("warning: \(folder.path)/"))
        #expect(outcome.errors.contains("cannot be written"))
        #expect(try names().isEmpty)
    }

    @Test func aNewFolderIsMadeWithThoseAboveIt() throws {
        let cache = folder.path + "/new/deep"
        for _ in 0..<2 {
            let outcome = try ToolProcess.run(run + ["--pack-cache", cache])
            #expect(outcome.code == 0 && outcome.errors == "")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: cache).count == 3)
    }

    @Test func roundedTextModelsHaveACacheOfTheirOwn() throws {
        let options = ["--pack-cache", folder.path, "--quantize"]
        let q8 = try ToolProcess.run(run + options + ["q8_0"])
        let q4 = try ToolProcess.run(run + options + ["q4_0"])
        #expect(q8.code == 0 && q4.code == 0 && q8.errors == "" && q4.errors == "")
        // Two files for the text model, one for the vision tower, and one prefix for each text model.
        #expect(try endings() == ["panels", "panels", "panels", "prefix", "prefix"])
        #expect(try ToolProcess.run(run + options + ["q8_0"]).text == q8.text)
        #expect(try ToolProcess.run(run + options + ["q4_0"]).text == q4.text)
    }

    @Test func roundingNeedsRoundedActivations() throws {
        let outcome = try ToolProcess.run(run + ["--quantize", "q8_0", "--activations", "float"])
        #expect(outcome.code == 2 && outcome.errors.contains("--quantize cannot be combined with"))
    }
}
