// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// What is said of pictures that become very many visual tokens, and of limits that do nothing.
@Suite struct VisualTokenNoteTests {
    private static let note =
        "visual tokens, which take long to read; --max-pixels and --keep make them fewer"

    /// Runs a command with a model that makes a visual token of every 2 × 2 pixels.
    private func run(_ command: String, context: Int, _ arguments: [String]) throws -> Outcome {
        var model = TinyModel.qwen3VL
        (model.tileSide, model.patchSide, model.contextLength) = (2, 1, context)
        var pair = TinyPair(model)
        pair.projector["clip.vision.image_max_pixels"] = .uint32(32_000)
        return try pair.withPaths { text, projector in
            try ToolProcess.run(
                [command, "-m", text, "--mmproj", projector, picturePath("landscape"), "-n", "1"]
                    + arguments)
        }
    }

    /// The note comes before anything is encoded, and before the prompt is found to be too long.
    @Test func aRunSaysSoUnlessThereIsALimit() throws {
        func errors(_ arguments: [String]) throws -> String {
            try run("run", context: 50, ["--raw", "-p", "<image>"] + arguments).errors
        }
        let whole = try errors([])
        #expect(whole.contains("note: \(picturePath("landscape")) becomes 3902 \(Self.note)"))
        #expect(whole.contains("the prompt takes 390"))
        for limit in [["--max-pixels", "30000"], ["--keep", "60"], ["-q"]] {
            #expect(try !errors(limit).contains("note:"), "\(limit)")
        }
    }

    @Test func captionsSaySoOnce() throws {
        let twice = [picturePath("landscape"), "--prompt", "a", "--prompt", "b"]
        let errors = try run("caption", context: 5000, ["--template", "vicuna"] + twice).errors
        #expect(errors.contains("note: pictures become on average 3902 \(Self.note)"))
        #expect(errors.components(separatedBy: "note:").count == 2)
    }

    @Test func limitsWithoutEffectAreWarnedAbout() throws {
        func errors(_ model: ModelFiles, _ arguments: [String]) throws -> String {
            let outcome = try ToolProcess.run(
                model.run + ["-n", "1", "--template", "vicuna", picturePath("small")] + arguments)
            #expect(outcome.code == 0)
            return outcome.errors
        }
        let (tiles, pixels) = (["--max-tiles", "1"], ["--max-pixels", "9000"])
        #expect(
            try errors(ModelFiles("qwen3vl"), tiles).contains(
                "warning: --max-tiles has no effect on this model; --max-pixels limits its pictures"
            ))
        #expect(
            try errors(ModelFiles("smolvlm"), pixels).contains(
                "warning: --max-pixels has no effect on this model; --max-tiles limits its pictures"
            ))
        let none = try errors(.llama3, tiles + pixels)
        #expect(none.contains("warning: --max-tiles has no effect on this model\n"))
        #expect(none.contains("warning: --max-pixels has no effect on this model\n"))
        for (name, limit) in [
            ("smolvlm", tiles), ("qwen3vl", pixels), ("llava-next-mistral", tiles),
        ] {
            #expect(try !errors(ModelFiles(name), limit).contains("no effect"), "\(name)")
        }
    }
}
