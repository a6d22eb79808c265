// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// Commands with a model that reads text alone.
@Suite struct TextModelTests {
    private static let model = ModelFiles.llama3

    @Test func aQuestionIsAnsweredAsByThePair() throws {
        let question = ["-p", "What is it?", "-n", "8", "--ignore-eos", "-q"]
        let alone = try ToolProcess.run(["run", "-m", Self.model.text] + question)
        let pair = try ToolProcess.run(Self.model.run + question)
        #expect(alone.code == 0 && alone.errors.isEmpty)
        #expect(!alone.text.isEmpty && alone.text == pair.text)
    }

    @Test(arguments: [
        ["run"], ["run", "-p", "?"], ["caption"], ["bench"],
        ["prune-map", "--keep", "4", "-o", "/dev/null.png"],
    ])
    func picturesAreRefusedAtTheStart(command: [String]) throws {
        let outcome = try ToolProcess.run(
            command + ["-m", "/absent/text.gguf", picturePath("small")])
        #expect(outcome.code == 2)
        #expect(
            outcome.errors.contains(
                "/absent/text.gguf has no vision projector, which pictures need: give --mmproj"))
    }

    @Test func aChatGoesOnWithoutPictures() throws {
        let lines = ["What?", "/image \(picturePath("small"))", "And now?", "/skip", "Then?"]
        let outcome = try ToolProcess.run(
            ["run", "-m", Self.model.text, "-n", "4", "--ignore-eos", "--interactive", "-q"],
            input: Array((lines.joined(separator: "\n") + "\n").utf8))
        #expect(outcome.code == 0)
        #expect(outcome.errors.contains("no vision projector, which pictures need; --mmproj"))
        #expect(outcome.errors.contains("not asked"))
        #expect(outcome.text.split(separator: "\n", omittingEmptySubsequences: true).count >= 2)
    }
}

@Suite struct PerplexityCommandTests {
    private struct Report: Decodable {
        let perplexity: Double
        let error: Double
        let bitsPerByte: Double
        let tokensPerSecond: Double
        let scoredTokens: Int
        let textTokens: Int
        let windows: Int
        let windowTokens: Int
    }

    private let folder: TemporaryFolder
    private let text: String

    init() throws {
        folder = try TemporaryFolder()
        text = try folder.write(
            Array(String(repeating: "It's a picture of 12 cats.\n", count: 40).utf8), to: "text")
    }

    private func run(_ options: [String]) throws -> Outcome {
        try ToolProcess.run(["perplexity", text, "-m", ModelFiles.llama3.text] + options)
    }

    @Test func bothFormsTellTheSame() throws {
        let json = try run(["--window", "16", "--windows", "3", "--json"])
        #expect(json.code == 0 && json.errors.isEmpty)
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let report = try decoder.decode(Report.self, from: Data(json.output))
        #expect(report.scoredTokens == 21 && report.windows == 3 && report.windowTokens == 16)
        #expect(report.textTokens > 48 && report.perplexity > 1 && report.error > 0)
        #expect(report.bitsPerByte > 0 && report.tokensPerSecond > 0)
        let plain = try run(["--window", "16", "--windows", "3"])
        #expect(plain.text.hasPrefix("perplexity \(String(format: "%.4f", report.perplexity)) ± "))
        #expect(plain.text.contains("21 tokens scored in 3 windows of 16"))
        let input = try ToolProcess.run(
            ["perplexity", "-", "-m", ModelFiles.llama3.text, "--window", "16", "--windows", "3"],
            input: Array(String(repeating: "It's a picture of 12 cats.\n", count: 40).utf8))
        #expect(input.text.prefix(30) == plain.text.prefix(30))
    }

    @Test func whatCannotBeMeasuredIsRefused() throws {
        for (options, code, message) in [
            (["--window", "3"], Int32(2), "--window is 3, expected 4 or more"),
            (["--windows", "0"], 2, "--windows is 0, expected 1 or more"),
            (["--window", "100000"], 1, "see --window and --context"),
            (["--window", "2048"], 1, "tokens, expected at least the 2048 of a window"),
        ] {
            let outcome = try run(options + (message.contains("2048") ? ["-c", "2048"] : []))
            #expect(outcome.code == code && outcome.errors.contains(message), "\(outcome.errors)")
        }
        let notText = try ToolProcess.run([
            "perplexity", picturePath("small"), "-m", ModelFiles.llama3.text,
        ])
        #expect(notText.code == 1 && notText.errors.contains("small.png"))
    }
}
