// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// `trimllava eval --set` on small files in published layouts.
@Suite struct PublishedEvalTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        for name in ["small", "wide"] {
            let picture = URL(fileURLWithPath: picturePath(name))
            try folder.write([UInt8](Data(contentsOf: picture)), to: "\(name).png")
        }
    }

    private func write(_ text: String, to name: String) throws -> String {
        try folder.write(Array(text.utf8), to: name)
    }

    private func eval(_ arguments: [String]) throws -> Outcome {
        try ToolProcess.run(
            [
                "eval", "--model", ModelFiles.llama3.text, "--mmproj", ModelFiles.llama3.projector,
                "-n", "4", "--keep", "2", "--selector", "divprune", "-o", "json",
            ] + arguments)
    }

    private struct Results: Decodable {
        struct Row: Decodable {
            let setting: String
            let task: String?
            let metric: String?
            let questions: Int
            let failed: Int
            let accuracy: Double?
            let f1: Double?
        }
        let results: [Row]
    }

    private func rows(_ outcome: Outcome) throws -> [Results.Row] {
        try JSONDecoder().decode(Results.self, from: Data(outcome.output)).results
    }

    private func line(_ id: Int, _ picture: String, _ label: String) -> String {
        #"{"question_id": \#(id), "image": "\#(picture)", "text": "Is it?", "label": "\#(label)"}"#
            + "\n"
    }

    @Test func filesOfPOPEBecomeTasks() throws {
        let first = try write(
            line(1, "small.png", "yes") + line(2, "wide.png", "no"), to: "coco_pope_random.json")
        let second = try write(line(1, "small.png", "no"), to: "coco_pope_popular.json")
        let outcome = try eval(["--set", "pope", first, second, "--images", folder.path])
        #expect(outcome.code == 0, "\(outcome.errors)")
        let rows = try rows(outcome)
        #expect(
            rows.map(\.task)
                == Array(
                    repeating: ["coco_pope_random", "coco_pope_popular", nil], count: 2
                ).flatMap(\.self))
        #expect(rows.map(\.questions) == [2, 1, 3, 2, 1, 3])
        #expect(rows.allSatisfy { $0.metric == "pope" && $0.f1 != nil })
    }

    @Test func aMissingPictureFailsItsQuestionAlone() throws {
        let file = try write(line(1, "small.png", "yes") + line(2, "none.png", "no"), to: "p.json")
        let outcome = try eval(["--set", "pope", file, "--images", folder.path])
        #expect(
            outcome.code == 1 && outcome.errors.contains("question p/2: \(folder.path)/none.png"))
        #expect(try rows(outcome).map(\.failed) == [1, 1])
        let lost = try eval(["--set", "pope", file])
        #expect(lost.code == 1 && lost.output.isEmpty)
        #expect(lost.errors.contains("/val2014/small.png: not found"), "\(lost.errors)")
    }

    @Test func picturesInATableAreShown() throws {
        let picture = try Data(contentsOf: URL(fileURLWithPath: picturePath("small")))
            .base64EncodedString()
        let table = try write(
            "index\tquestion\tA\tB\tanswer\timage\n0\tWhich?\ta\tb\tB\t\(picture)\n"
                + "1000000\tWhich?\tb\ta\tA\t0\n1\tWhich?\ta\tb\tA\t\(picture)\n", to: "m.tsv")
        let answers = folder.path + "/answers.jsonl"
        for _ in 0..<2 {
            let outcome = try eval(
                ["--set", "mmbench", table, "--limit", "1", "--answers", answers])
            #expect(outcome.code == 0, "\(outcome.errors)")
            // Both copies of the first question.
            #expect(try rows(outcome).map(\.questions) == [2, 2])
            #expect(try rows(outcome).allSatisfy { $0.accuracy != nil && $0.failed == 0 })
        }
        let lines = try String(contentsOfFile: answers, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 1 + 4)
    }

    @Test(arguments: [
        (["--set", "pope", "x.json", "--metric", "exact"], "--set has a metric of its own"),
        (
            ["--set", "mmbench", "x.tsv", "--images", "x"],
            "--set mmbench has its pictures in its file, expected no --images"
        ),
        (
            ["--set", "vqav2", "x.json"],
            "--set vqav2 is read from the questions and the annotations"
        ),
        (["--set", "poppe", "x.json"], "'poppe' is invalid"),
        (["x.json", "y.json"], "expected one file of questions, or --set"),
    ])
    func wrongUsageIsRefused(arguments: [String], problem: String) throws {
        let outcome = try eval(arguments)
        #expect(outcome.code == 2 && outcome.errors.contains(problem), "\(outcome.errors)")
    }
}
