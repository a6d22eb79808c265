// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// `bench` and `eval` measure the unpruned model on smaller pictures beside the selectors.
@Suite struct FewerPixelsTests {
    private struct Results<Row: Decodable>: Decodable {
        let results: [Row]

        init(_ outcome: Outcome) throws {
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            self = try decoder.decode(Self.self, from: Data(outcome.output))
        }
    }

    private struct BenchRow: Decodable {
        let selector: String
        let keep: String
        let maxTiles: Int?
        let maxPixels: Int?
        let keptTokens: Int
        let firstTokenSpeedup: Double
    }

    private struct EvalRow: Decodable {
        let setting: String
        let keptTokens: Double
        let score: Double
    }

    private func options(_ model: ModelFiles) -> [String] {
        ["-m", model.text, "--mmproj", model.projector]
    }

    /// The limits that `bench` names make pictures of as many tokens.
    @Test(arguments: ["smolvlm", "onevision", "qwen3vl"])
    func benchNamesTheLimits(name: String) throws {
        let model = ModelFiles(name)
        let picture = picturePath("landscape")
        let arguments =
            ["bench"] + options(model) + [
                picture, "--keep", "2,30%", "-n", "2", "-r", "1", "--selector", "random",
            ]
        let outcome = try ToolProcess.run(arguments + ["-o", "json"])
        try #require(outcome.code == 0, "\(outcome.errors)")
        let rows = try Results<BenchRow>(outcome).results
        let smaller = rows.filter { $0.selector == "fewer-pixels" }
        #expect(!smaller.isEmpty && rows.count == 3 + smaller.count)
        for row in smaller {
            let limit =
                row.maxTiles.map { ["--max-tiles", "\($0)"] }
                ?? row.maxPixels.map { ["--max-pixels", "\($0)"] }
            let run = try ToolProcess.run(
                ["run"] + options(model) + [picture, "--json", "-n", "1"]
                    + (try #require(limit)))
            #expect(try RunJSON(run).keptTokens == row.keptTokens)
            #expect(row.keptTokens < rows[0].keptTokens)
        }
        let csv = try ToolProcess.run(arguments + ["-o", "csv"]).text
        let field = name == "qwen3vl" ? "max_pixels" : "max_tiles"
        #expect(csv.hasPrefix("selector,keep,\(field),visual_tokens,"))
        let without = try ToolProcess.run(arguments + ["-o", "csv", "--no-fewer-pixels"]).text
        #expect(without.hasPrefix("selector,keep,visual_tokens,"))
        #expect(without.split(separator: "\n").count == 4)
    }

    @Test func evalScoresThem() throws {
        let folder = try TemporaryFolder()
        let question =
            #"{"image": "\#(picturePath("wide"))", "question": "What?", "answers": ["x"]}"# + "\n"
        let file = try folder.write(Array(question.utf8), to: "questions.jsonl")
        let plot = folder.path + "/plot.svg"
        let arguments =
            ["eval"] + options(ModelFiles("smolvlm")) + [
                file, "-n", "2", "--keep", "2,auto", "--selector", "divprune",
            ]
        let outcome = try ToolProcess.run(arguments + ["-o", "json", "--plot", plot])
        try #require(outcome.code == 0, "\(outcome.errors)")
        let rows = try Results<EvalRow>(outcome).results
        #expect(
            rows.map(\.setting) == [
                "unpruned", "divprune 2", "divprune auto", "fewer-pixels one-tile",
            ])
        #expect(rows[3].keptTokens < rows[0].keptTokens)
        #expect(try String(contentsOfFile: plot, encoding: .utf8).contains(">fewer-pixels<"))
        let without = try ToolProcess.run(arguments + ["-o", "json", "--no-fewer-pixels"])
        #expect(try Results<EvalRow>(without).results.count == 3)
    }
}
