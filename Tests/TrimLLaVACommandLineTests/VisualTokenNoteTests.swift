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
        try withModel(context: context) { model in
            try ToolProcess.run(
                [command] + model + [picturePath("landscape"), "-n", "1"] + arguments)
        }
    }

    /// The options that name such a model, whose files exist while the body runs.
    private func withModel<Result>(
        context: Int, mostPixels: UInt32 = 32_000,
        _ body: (_ options: [String]) throws -> Result
    ) throws -> Result {
        var model = TinyModel.qwen3VL
        (model.tileSide, model.patchSide, model.contextLength) = (2, 1, context)
        var pair = TinyPair(model)
        pair.projector["clip.vision.image_max_pixels"] = .uint32(mostPixels)
        return try pair.withPaths { text, projector in
            try body(["-m", text, "--mmproj", projector])
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

    /// A picture of 157 × 101 pixels that may have 9000 has cells of 2 × 2 pixels for 118 × 76.
    @Test func picturesThatALimitMakesSmallerAreNamed() throws {
        let limit = ["--max-pixels", "9000"]
        let arguments = ["--template", "vicuna", "--json"]
        let outcome = try run("run", context: 5000, arguments + limit)
        let path = picturePath("landscape")
        #expect(
            outcome.errors.contains(
                "note: \(path) has 157×101 pixels; the model sees 118×76, because of --max-pixels or the model's limit\n"
            ))
        #expect(outcome.text.contains(#""seen_height":76"#))
        #expect(outcome.text.contains(#""seen_width":118"#))
        let caption = try run("caption", context: 5000, ["--template", "vicuna"] + limit)
        #expect(caption.text.contains(#""seen_width":118"#), "\(caption.text)")
        let whole = try run("run", context: 5000, arguments + ["--max-pixels", "15857"])
        #expect(!whole.errors.contains("the model sees") && !whole.text.contains("seen_width"))
        #expect(try !run("run", context: 5000, arguments + limit + ["-q"]).errors.contains("note:"))
    }

    @Test func theModelsOwnLimitIsNamed() throws {
        let errors = try withModel(context: 5000, mostPixels: 9000) { model in
            let arguments = ["-n", "1", "--template", "vicuna", picturePath("landscape")]
            return try ToolProcess.run(["run"] + model + arguments).errors
        }
        #expect(errors.contains("the model sees 118×76, because of the model's limit\n"))
    }

    @Test func captionsSaySoOnce() throws {
        let twice = [picturePath("landscape"), "--prompt", "a", "--prompt", "b"]
        let errors = try run("caption", context: 5000, ["--template", "vicuna"] + twice).errors
        #expect(errors.contains("note: pictures become on average 3902 \(Self.note)"))
        #expect(errors.components(separatedBy: "note:").count == 2)
    }

    /// Unpruned answers are measured whatever the budget is.
    @Test func benchAndEvalSaySoOfWholePictures() throws {
        let note = "visual tokens, which take long to read; --max-pixels makes them fewer"
        let path = picturePath("landscape")
        let template = ["--template", "vicuna", "--keep", "9"]
        let bench = try run("bench", context: 5000, template + ["-r", "1", "--no-fewer-pixels"])
        #expect(bench.errors.contains("note: \(path) becomes 3902 \(note)"))
        let folder = try TemporaryFolder()
        let question =
            #"{"id": "q", "image": "\#(path)", "question": "?", "answers": ["x"]}"# + "\n"
        let file = try folder.write(
            Array((question + question.replacing(#""q""#, with: #""r""#)).utf8), to: "a.jsonl")
        try withModel(context: 5000) { model in
            let eval = ["eval"] + model + template + [file, "-n", "1", "--parallel", "1"]
            let errors = try ToolProcess.run(eval).errors
            #expect(errors.contains("note: the pictures of question q become 3902 \(note)"))
            #expect(errors.components(separatedBy: "note:").count == 2)
            let limited = try ToolProcess.run(eval + ["--max-pixels", "9000"])
            #expect(limited.code == 0 && !limited.errors.contains("note:"))
        }
    }

    /// The log has it once, and every answer for its client.
    @Test func aServerSaysSoInItsLogAndReports() throws {
        let errors = try withModel(context: 5000) { model in
            let server = try ToolProcess(["serve", "--port", "0", "--template", "vicuna"] + model)
            let answers = try ask(
                server, about: ["\"keep\": \"all\"", "\"top_k\": 1", "\"keep\": 9"])
            let note =
                #""notes":["picture 1 becomes 3902 visual tokens, which take long to read; keep makes them fewer"]"#
            #expect(answers.components(separatedBy: note).count == 3, "\(answers)")
            #expect(
                answers.contains(#""notes":[]"#) && answers.contains(#""lacks_question":false"#))
            server.send(signal: SIGTERM)
            return try server.finish().errors
        }
        #expect(errors.components(separatedBy: "a picture becomes 3902 \(Self.note)").count == 2)
    }

    @Test func aServerWarnsOfLimitsWithoutEffect() throws {
        try withModel(context: 5000) { model in
            let server = try ToolProcess(
                ["serve", "--port", "0", "--template", "vicuna", "--max-tiles", "1"] + model)
            try server.waitForErrors("ready")
            server.send(signal: SIGTERM)
            #expect(
                try server.finish().errors.contains(
                    "--max-tiles has no effect on this model; --max-pixels limits its pictures"))
        }
    }

    /// Asks a server once for each of some fields about a picture; what it answers, one after the other.
    private func ask(_ server: ToolProcess, about fields: [String]) throws -> String {
        try server.waitForOutput { $0.contains(UInt8(ascii: "\n")) }
        let line = String(decoding: server.outputChunks.flatMap(\.self), as: UTF8.self)
        let address = try #require(line.firstMatch(of: /http:\/\/[0-9.:]+/)).output
        try server.waitForErrors("ready")
        let picture = try Data(contentsOf: URL(fileURLWithPath: picturePath("landscape")))
            .base64EncodedString()
        return try fields.map { field in
            let body = """
                {"max_tokens": 1, \(field), "messages": [{"role": "user", "content": [{"type": "text", "text": "What?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,\(picture)"}}]}]}
                """
            let client = try ToolProcess(
                [
                    "-sS", "-H", "Content-Type: application/json", "-d", "@-",
                    "\(address)/v1/chat/completions",
                ],
                executable: "/usr/bin/curl")
            try client.send(Array(body.utf8))
            return try client.finish().text
        }.joined()
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
