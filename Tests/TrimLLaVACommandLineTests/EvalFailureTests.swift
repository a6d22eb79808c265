// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// `trimllava eval` with questions that cannot be answered and with questions that have changed.
@Suite struct EvalFailureTests {
    private let folder: TemporaryFolder
    private let answers: String

    init() throws {
        folder = try TemporaryFolder()
        answers = folder.path + "/answers.jsonl"
    }

    private func eval(_ questions: [String], _ more: [String] = []) throws -> Outcome {
        let file = try folder.write(
            Array(questions.map { $0 + "\n" }.joined().utf8), to: "questions.jsonl")
        return try ToolProcess.run(
            [
                "eval", "--model", ModelFiles.llama3.text, "--mmproj", ModelFiles.llama3.projector,
                "-n", "4", "--keep", "2", "--selector", "divprune", file,
            ] + more)
    }

    private func question(_ picture: String, _ text: String = "What?", right: String = "x")
        -> String
    {
        #"{"image": "\#(picture)", "question": "\#(text)", "answers": ["\#(right)"], "id": "q"}"#
    }

    @Test func questionsThatFailAreNamedAndNotASuccess() throws {
        let outcome = try eval([question("none.jpg")])
        #expect(outcome.code == 1)
        #expect(
            outcome.errors.contains(
                "trimllava: question q: \(folder.path)/none.jpg: cannot be read"))
        #expect(outcome.text.contains("failed"))
    }

    /// The number of saved answers, without the line that names the run.
    private func kept() throws -> Int {
        try String(contentsOfFile: answers, encoding: .utf8).split(separator: "\n").count - 1
    }

    @Test func answersCountOnlyForWhatWasAsked() throws {
        let picture = picturePath("small")
        let more = ["--answers", answers]
        var expected = 0
        for (text, right, options) in [
            ("What?", "x", more), ("What else?", "x", more), ("What?", "y", more),
            ("What?", "x", more + ["--kv-cache", "f32"]),
            ("What?", "x", more + ["--template", "vicuna"]),
        ] {
            expected += 2
            for _ in 0..<2 {
                #expect(try eval([question(picture, text, right: right)], options).code == 0)
                #expect(try kept() == expected, "\(text) \(options)")
            }
        }
        // A change of the picture.
        let copy = try folder.write(
            [UInt8](Data(contentsOf: URL(fileURLWithPath: picture))), to: "p.png")
        _ = try eval([question(copy)], more)
        #expect(try kept() == expected + 2)
        try folder.write(
            [UInt8](Data(contentsOf: URL(fileURLWithPath: picturePath("wide")))), to: "p.png")
        _ = try eval([question(copy)], more)
        #expect(try kept() == expected + 4)
    }

    @Test func failuresAreAskedAgain() throws {
        let more = ["--answers", answers]
        for _ in 0..<2 {
            #expect(try eval([question("late.png")], more).code == 1)
            #expect(try kept() == 2)
        }
        try folder.write(
            [UInt8](Data(contentsOf: URL(fileURLWithPath: picturePath("wide")))), to: "late.png")
        let outcome = try eval([question("late.png")], more)
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(try kept() == 4)
    }
}
