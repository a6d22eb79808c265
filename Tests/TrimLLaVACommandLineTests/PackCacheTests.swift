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

    @Test func startsAtTheSameTimeDoNotDisturbEachOther() throws {
        let expected = try ToolProcess.run(run)
        let options = ["--pack-cache", folder.path]
        let starts = try (0..<4).map { _ in try ToolProcess(run + options) }
        for start in starts {
            let outcome = try start.finish()
            #expect(outcome.code == 0 && outcome.errors == "")
            #expect(outcome.text == expected.text)
        }
        #expect(try names().allSatisfy { $0.hasSuffix(".panels") })
        // One file for the vision tower, one for the text model.
        #expect(try names().count == 2)
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
        #expect(try FileManager.default.contentsOfDirectory(atPath: cache).count == 2)
    }

    @Test func roundedTextModelsHaveACacheOfTheirOwn() throws {
        let options = ["--pack-cache", folder.path, "--quantize"]
        let q8 = try ToolProcess.run(run + options + ["q8_0"])
        let q4 = try ToolProcess.run(run + options + ["q4_0"])
        #expect(q8.code == 0 && q4.code == 0 && q8.errors == "" && q4.errors == "")
        // Two files for the text model, one for the vision tower.
        #expect(try names().count == 3)
        #expect(try ToolProcess.run(run + options + ["q8_0"]).text == q8.text)
        #expect(try ToolProcess.run(run + options + ["q4_0"]).text == q4.text)
    }

    @Test func roundingNeedsRoundedActivations() throws {
        let outcome = try ToolProcess.run(run + ["--quantize", "q8_0", "--activations", "float"])
        #expect(outcome.code == 2 && outcome.errors.contains("--quantize cannot be combined with"))
    }
}
