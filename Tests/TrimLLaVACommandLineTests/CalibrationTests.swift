// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing
import TrimLLaVA

/// `eval --calibrate` and what follows it: a file beside the text model.
@Suite struct CalibrationTests {
    private let folder: TemporaryFolder
    private let model: [String]
    private let calibration: String
    private let questions = Fixture.path("scenes/questions.jsonl")

    /// The demonstration model in a folder of its own.
    init() throws {
        folder = try TemporaryFolder()
        let resources = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../Sources/Product/DemoModel/Resources").standardized
        for name in ["scenes-q8_0.gguf", "scenes-mmproj-f16.gguf"] {
            try FileManager.default.createSymbolicLink(
                atPath: folder.path + "/" + name,
                withDestinationPath: resources.appendingPathComponent(name).path)
        }
        model = [
            "-m", folder.path + "/scenes-q8_0.gguf", "--mmproj",
            folder.path + "/scenes-mmproj-f16.gguf",
        ]
        calibration = folder.path + "/scenes-q8_0.auto.json"
    }

    private func eval(_ more: [String]) throws -> Outcome {
        try ToolProcess.run(
            ["eval"] + model + [questions, "--metric", "exact", "--limit", "1"] + more,
            timeout: 300)
    }

    private func keptByAuto() throws -> Int? {
        let scene = try String(contentsOfFile: questions, encoding: .utf8)
            .split(separator: "\n").first { $0.contains("crowded") }
        let line = try #require(scene)
        let fields = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        let picture = try #require(fields?["image"] as? String)
        let outcome = try ToolProcess.run(
            ["run"] + model + [
                Fixture.path("scenes/" + picture), "--keep", "auto", "-n", "1", "--json", "-q",
            ])
        try #require(outcome.code == 0, "\(outcome.errors)")
        return try RunJSON(outcome).keptTokens
    }

    /// A calibration by which every share takes so many tokens for each that stands out.
    private func write(tokens: Double) throws {
        let rule = try #require(
            AutomaticRule(measured: [
                .init(tokensPerOutstanding: tokens, quality: 100),
                .init(tokensPerOutstanding: 2 * tokens, quality: 100),
            ]))
        let text = """
            {"schema_version": 1, "selector": "spread", "questions": 9, "points": [
            \(rule.points.map {
                #"{"tokens_per_outstanding": \#($0.tokensPerOutstanding), "quality": \#($0.quality)}"#
            }.joined(separator: ","))]}
            """
        try folder.write(Array(text.utf8), to: "scenes-q8_0.auto.json")
    }

    @Test func whatIsMeasuredIsFollowed() throws {
        let usual = try keptByAuto()
        let outcome = try eval(["--calibrate"])
        try #require(outcome.code == 0, "\(outcome.errors)")
        #expect(outcome.errors.contains("\(calibration): automatic budgets of this model follow"))
        for budget in ["auto:90%", "auto:96.5%", "auto", "auto:100%"] {
            #expect(outcome.text.contains("spread \(budget) "))
        }
        let measured = try #require(
            try Calibration.read(beside: folder.path + "/scenes-q8_0.gguf"))
        #expect(measured.selector == "spread" && measured.questions > 1)
        #expect(measured.rule.points.count == AutomaticRule.drawnScenes.points.count)
        // A second one measures the same, whatever the first one says.
        try write(tokens: 0.01)
        try #require(try eval(["--calibrate"]).code == 0)
        #expect(try Calibration.read(beside: folder.path + "/scenes-q8_0.gguf") == measured)

        for (tokens, isExpected) in [
            (0.001, { $0 == 32 }), (8, { $0 == 192 }),
        ] as [(Double, (Int?) -> Bool)] {
            try write(tokens: tokens)
            #expect(isExpected(try keptByAuto()), "\(tokens)")
        }
        try FileManager.default.removeItem(atPath: calibration)
        #expect(try keptByAuto() == usual)
    }

    @Test(arguments: ["", "{}", "nonsense", #"{"schema_version": 1, "points": []}"#])
    func whatIsNoCalibrationIsNamedAndKept(text: String) throws {
        let usual = try keptByAuto()
        try folder.write(Array(text.utf8), to: "scenes-q8_0.auto.json")
        #expect(try keptByAuto() == usual)
        let warned = try ToolProcess.run(["run"] + model + ["-p", "What?", "-n", "1"])
        #expect(warned.errors.contains("warning: \(calibration) is no calibration"))
        let outcome = try eval(["--calibrate"])
        #expect(outcome.code == 2 && outcome.errors.contains("--calibrate does not overwrite it"))
        #expect(try String(contentsOfFile: calibration, encoding: .utf8) == text)
    }

    @Test func withoutARightAnswerThereIsNone() throws {
        let wrong = try folder.write(
            Array(
                #"{"image": "\#(picturePath("small"))", "question": "What?", "answers": ["never"]}"#
                    .utf8), to: "wrong.jsonl")
        let outcome = try ToolProcess.run(
            ["eval"] + model + [wrong, "--metric", "exact", "-n", "2", "--calibrate"])
        #expect(outcome.code == 1, "\(outcome.errors)")
        #expect(outcome.errors.contains("the unpruned model answers no question right"))
        #expect(!FileManager.default.fileExists(atPath: calibration))
    }

    /// Captions with an automatic budget are made again after a calibration, others are not.
    @Test func captionsDependOnIt() throws {
        func settings(_ keep: String) throws -> String {
            let picture = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .appendingPathComponent("../../tools/samples/scene-1.png").standardized.path
            let outcome = try ToolProcess.run(
                ["caption"] + model + [picture, "--keep", keep, "-n", "1", "-q"])
            let record = try JSONSerialization.jsonObject(with: Data(outcome.output))
            return try #require((record as? [String: Any])?["settings"] as? String)
        }
        let before = (try settings("auto"), try settings("64"))
        try write(tokens: 0.3)
        let after = (try settings("auto"), try settings("64"))
        #expect(before.0 != after.0 && before.1 == after.1)
    }

    @Test(arguments: [
        ["--keep", "64"], ["--selector", "all"], ["--merge", "none,mean"],
    ])
    func moreThanOneRuleIsRefused(more: [String]) throws {
        let outcome = try eval(["--calibrate"] + more)
        #expect(outcome.code == 2 && outcome.errors.contains("--calibrate"))
        #expect(!FileManager.default.fileExists(atPath: calibration))
    }
}
