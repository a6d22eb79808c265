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

    private func report(_ arguments: [String]) throws -> RunJSON {
        let outcome = try ToolProcess.run(
            ["run"] + model + [picture, "--json", "--ignore-eos", "-n", "6"] + arguments)
        try #require(outcome.code == 0, "\(outcome.errors)")
        return try RunJSON(outcome)
    }

    @Test func runReportsWhatWasKept() throws {
        let whole = try report([])
        #expect(whole.keptTokens == 36 && whole.pictures.map(\.keptPatches) == [36])
        let pruned = try report(["--keep", "9", "--selector", "divprune"])
        #expect(pruned.keptTokens == 9 && pruned.visualTokens == 36)
        #expect(pruned.pictures.map(\.keptPatches) == [9])
        #expect(pruned.pictures.map(\.candidatePatches) == [36])
        #expect(pruned.pictures.map(\.keptTokens) == [9])
        #expect(pruned.unprunedCacheBytes == whole.cacheBytes)
        #expect(pruned.cacheBytes < whole.cacheBytes)
        #expect(pruned.positions == "original")
        #expect(try report(["--keep", "25%"]).keptTokens == 9)
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

    /// Options that would have no effect are refused by name.
    @Test(arguments: [
        (["--merge", "mean"], "--merge needs --keep"),
        (["--selector", "mmtok"], "--selector needs --keep"),
        (["--positions", "compact"], "--positions needs --keep"),
        (["--share-budget"], "--share-budget needs --keep"),
        (["--alignment", "l2"], "--alignment needs --keep"),
        (["--keep", "9", "--alignment", "l2"], "--alignment needs --selector trimtokenator"),
        (["--keep", "9", "--aligned-share", "0.5"], "--aligned-share needs --selector trimtok"),
        (["--keep", "9", "--selector-seed", "1"], "--selector-seed needs --selector random"),
    ])
    func optionsWithoutEffectAreWrongUsage(arguments: [String], message: String) throws {
        for command in ["run", "caption"] {
            let outcome = try ToolProcess.run([command] + model + [picture] + arguments)
            #expect(outcome.code == 2 && outcome.errors.contains(message), "\(outcome.errors)")
        }
        guard arguments.contains("--keep") else { return }
        let map = try ToolProcess.run(
            ["prune-map"] + model + [picture, "-o", "-"] + arguments)
        #expect(map.code == 2 && map.errors.contains(message), "\(map.errors)")
    }

    @Test func optionsOfSelectorsHaveAnEffectWithThem() throws {
        let seed = ["--selector", "random", "--selector-seed", "3"]
        let shared = ["--share-budget", "--alignment", "l2"]
        for arguments in [seed, shared, ["--selector", "trimtokenator", "--aligned-share", "0.5"]] {
            #expect(try report(["--keep", "9"] + arguments).keptTokens == 9)
        }
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
        let json = try #require(
            try JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any])
        #expect(json["schema_version"] as? Int == OutputSchema.version)
        #expect(json["trimllava_version"] as? String == Release.version)
        let rows = try #require(json["results"] as? [[String: Any]])
        #expect(rows.count == 5)
        #expect(rows.map { $0["kept_tokens"] as? Int } == [36, 4, 4, 9, 9])
        #expect(rows[0]["selector"] as? String == "unpruned")
        #expect(rows[0]["prefill_speedup"] as? Double == 1)
        #expect(rows.allSatisfy { ($0["generated_tokens"] as? Int) == 3 })
        let svg = try String(contentsOfFile: plot, encoding: .utf8)
        #expect(svg.hasPrefix("<svg") && svg.contains("divprune"))

        let csv = try bench("csv").text.split(separator: "\n").map { $0.split(separator: ",") }
        #expect(csv.count == 6 && Set(csv.map(\.count)).count == 1)
        #expect(csv[0].prefix(4) == ["selector", "keep", "visual_tokens", "kept_tokens"])
        #expect(csv[0].allSatisfy { rows[0][String($0)] != nil })
        #expect(csv[2].prefix(4) == ["uniform", "4", "36", "4"])
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
