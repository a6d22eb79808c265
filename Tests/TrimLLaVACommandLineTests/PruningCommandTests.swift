// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing
import TrimLLaVA

@testable import TrimLLaVACommandLine

/// `run --keep`, `bench` and `prune-map`, by the built executable on a golden model.
@Suite struct PruningCommandTests {
    private let model = [
        "-m", ModelFiles.llama3.text, "--mmproj", ModelFiles.llama3.projector,
        "--kv-cache", "f32",
    ]
    private let picture = picturePath("landscape")

    private struct Report: Decodable {
        struct Tokens: Decodable {
            let visual: Int
            let unprunedVisual: Int
        }
        struct Kept: Decodable {
            let patches: Int
            let ofPatches: Int
        }
        struct Cache: Decodable {
            let bytes: Int
            let unprunedBytes: Int
        }
        let tokens: Tokens
        let kept: [Kept]
        let cache: Cache
        let positions: String
        let text: String
    }

    private func report(_ arguments: [String]) throws -> Report {
        let outcome = try ToolProcess.run(
            ["run"] + model + [picture, "--json", "--ignore-eos", "-n", "6"] + arguments)
        try #require(outcome.code == 0, "\(outcome.errors)")
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(Report.self, from: Data(outcome.output))
    }

    @Test func runReportsWhatWasKept() throws {
        let whole = try report([])
        #expect(whole.tokens.visual == 36 && whole.kept.map(\.patches) == [36])
        let pruned = try report(["--keep", "9", "--selector", "divprune"])
        #expect(pruned.tokens.visual == 9 && pruned.tokens.unprunedVisual == 36)
        #expect(pruned.kept.map(\.patches) == [9] && pruned.kept.map(\.ofPatches) == [36])
        #expect(pruned.cache.unprunedBytes == whole.cache.bytes)
        #expect(pruned.cache.bytes < whole.cache.bytes)
        #expect(pruned.positions == "original")
        #expect(try report(["--keep", "25%"]).tokens.visual == 9)
        #expect(try report(["--keep", "9", "--positions", "compact"]).positions == "compact")
        #expect(try report(["--keep", "100%"]).text == whole.text)
    }

    @Test(arguments: [
        ["--keep", "0"], ["--keep", "-3"], ["--keep", "101%"], ["--keep", "many"],
        ["--keep", "9", "--selector", "best"], ["--keep", "9", "--aligned-share", "2"],
        ["--keep", "9", "--positions", "none"], ["--prune-map", "map.png"],
    ])
    func wrongPruningIsWrongUsage(arguments: [String]) throws {
        let outcome = try ToolProcess.run(["run"] + model + [picture] + arguments)
        #expect(outcome.code == 2)
        #expect(outcome.errors.hasPrefix("trimllava: ") && outcome.output.isEmpty)
    }

    @Test func mapsAreWrittenByBothCommands() throws {
        let folder = try TemporaryFolder()
        let (first, second) = (folder.path + "/a.png", folder.path + "/b.png")
        let question = ["--keep", "9", "-p", "What is it?"]
        #expect(
            try ToolProcess.run(["prune-map"] + model + [picture, "-o", first] + question).code == 0
        )
        #expect(
            try ToolProcess.run(
                ["run"] + model + [picture, "--prune-map", second, "-n", "1"] + question
            ).code == 0)
        let maps = try [first, second].map { try PictureDecoder.load(path: $0) }
        #expect(maps[0] == maps[1])
        let unwritable = try ToolProcess.run(
            ["prune-map"] + model + [picture, "-o", folder.path + "/absent/c.png"] + question)
        #expect(unwritable.code == 1 && unwritable.errors.contains("absent"))
    }

    @Test func benchComparesEverySettingWithTheUnprunedModel() throws {
        let folder = try TemporaryFolder()
        let plot = folder.path + "/plot.svg"
        func bench(_ format: String) throws -> Outcome {
            try ToolProcess.run(
                ["bench"] + model + [
                    picture, "--keep", "4,25%", "--selector", "uniform,divprune", "-n", "3",
                    "-r", "2", "-o", format, "--plot", plot,
                ])
        }
        let outcome = try bench("json")
        #expect(outcome.code == 0, "\(outcome.errors)")
        let rows = try #require(
            try JSONSerialization.jsonObject(with: Data(outcome.output)) as? [[String: Any]])
        #expect(rows.count == 5)
        #expect(rows.map { $0["kept"] as? Int } == [36, 4, 4, 9, 9])
        #expect(rows[0]["selector"] as? String == "unpruned")
        #expect(rows[0]["prefill_speedup"] as? Double == 1)
        #expect(rows.allSatisfy { ($0["new_tokens"] as? Int) == 3 })
        let svg = try String(contentsOfFile: plot, encoding: .utf8)
        #expect(svg.hasPrefix("<svg") && svg.contains("divprune"))

        let csv = try bench("csv").text.split(separator: "\n").map { $0.split(separator: ",") }
        #expect(csv.count == 6 && Set(csv.map(\.count)).count == 1)
        #expect(try bench("md").text.split(separator: "\n").count == 7)
        #expect(try bench("table").text.split(separator: "\n").count == 6)
    }

    @Test func quantilesInterpolate() {
        #expect(quantile([3], 0.5) == 3)
        #expect(quantile([4, 1], 0.5) == 2.5)
        #expect(quantile([5, 1, 3], 0.25) == 2)
        #expect(quantile([5, 1, 3], 1) == 5)
    }
}
