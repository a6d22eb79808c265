// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// `run --frames`, by the built executable on a golden LLaVA-OneVision.
@Suite struct VideoCommandTests {
    private let names = ["landscape", "portrait", "wide"]
    private let model = ModelFiles("onevision")

    private func run(_ arguments: [String], model: ModelFiles? = nil) throws -> Outcome {
        try ToolProcess.run((model ?? self.model).run + ["-n", "4", "--ignore-eos"] + arguments)
    }

    private func report(_ arguments: [String]) throws -> RunJSON {
        let outcome = try run(arguments + ["--json"])
        try #require(outcome.code == 0, "\(outcome.errors)")
        return try RunJSON(outcome)
    }

    @Test func aFolderIsItsPicturesByName() throws {
        let folder = try TemporaryFolder()
        for (number, name) in names.enumerated() {
            let bytes = try Data(contentsOf: URL(fileURLWithPath: picturePath(name)))
            try folder.write([UInt8](bytes), to: "\(number).PNG")
        }
        try folder.write(Array("no picture".utf8), to: "0.txt")
        let files = try report(["--frames"] + names.map(picturePath))
        let listed = try report(["--frames", folder.path])
        #expect(listed.text == files.text && listed.video?.frames == 3)
        #expect(files.video?.visualTokens == 3 * 4 + 1 && files.pictures.isEmpty)
        let reversed = try report(["--frames"] + names.reversed().map(picturePath))
        #expect(reversed.video?.visualTokens == files.video?.visualTokens)
    }

    /// A budget is for all frames together, and leaves the newline.
    @Test func framesArePrunedTogether() throws {
        let frames = ["--frames"] + names.map(picturePath)
        for selector in ["spread", "divprune", "random", "scope"] {
            let pruned = try report(frames + ["--keep", "5", "--selector", selector])
            let video = try #require(pruned.video)
            #expect(video.keptPatches == 5 && video.candidatePatches == 12)
            #expect(video.keptNewlines == 1 && pruned.keptTokens == 6)
        }
        #expect(try report(frames + ["--keep", "100%"]).text == report(frames).text)
        let summary = try run(frames + ["--keep", "5"]).errors
        #expect(summary.contains("kept 5 of 12 patches"))
    }

    /// Pictures come before the video.
    @Test func aVideoStandsBesidePictures() throws {
        let both = try report([
            "-p", "Which?", picturePath("small"), "--frames", picturePath("wide"),
        ])
        #expect(both.pictures.count == 1 && both.video?.visualTokens == 5)
        #expect((both.pictures[0].visualTokens ?? 0) + 5 == both.visualTokens)
    }

    @Test func whatCannotBeSeenIsRefused() throws {
        let frame = ["--frames", picturePath("wide")]
        let other = try run(frame + ["--template", "vicuna"], model: .llama3)
        #expect(other.code == 1 && other.errors.contains("the model reads no videos"))
        let empty = try TemporaryFolder()
        let none = try run(["--frames", empty.path])
        #expect(none.code == 2 && none.errors.contains("has no JPEG, PNG or WebP files"))
        let input = try run(["--frames", "-"])
        #expect(input.code == 2 && input.errors.contains("not standard input"))
        let lost = try run(["--frames", "/absent.png"])
        #expect(lost.code == 1 && lost.errors.contains("/absent.png"))
    }
}
