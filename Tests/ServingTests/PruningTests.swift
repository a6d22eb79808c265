// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import TokenPruning
import TrimLLaVA

@testable import Serving

/// What only this server offers: which visual tokens are kept, and the report about it.
@Suite struct PruningTests {
    @Test(arguments: ["7", "25%", "auto"])
    func budgetsKeepWhatTheCommandLineKeeps(keep: String) async throws {
        try await TestServer.run { server in
            var options = exactly(12)
            options.pruning = PruningOptions(
                budget: try KeepBudget(parsing: keep), selector: "divprune")
            let expected = try server.llava.run("What?", ["wide"], options)
            let answer = try await server.chat(
                exactly(
                    12, [question("What?", [try dataURL("wide")])],
                    ["keep": .string(keep), "selector": "divprune", "prune_map": true]))
            #expect(
                try answer.value("choices", "0", "message", "content") as? String
                    == expected.text)
            let rows = expected.statistics.visualRows
            #expect(
                try answer.value("usage", "prompt_tokens_details", "image_tokens") as? Int == rows)
            #expect(try answer.value("trimllava", "kept_tokens") as? Int == rows)
            #expect(try answer.value("trimllava", "selector") as? String == "divprune")
            #expect(
                try answer.value("trimllava", "kv_cache_bytes") as? Int
                    == expected.statistics.cacheBytes)
            #expect(
                try answer.value("trimllava", "pictures", "0", "tiles", "0", "kept") as? [Int]
                    == expected.selections[0].keptPatches)
        }
    }

    /// A number, a name with a budget, the server's default, and all in spite of it.
    @Test func theNearestBudgetWins() async throws {
        let keeping = PruningOptions(budget: .count(9))
        try await TestServer.run {
            $0.pruning = keeping
        } _: { server in
            func kept(_ more: JSONValue) async throws -> Int? {
                let answer = try await server.chat(
                    exactly(2, [question("What?", [try dataURL("wide")])], more))
                return try answer.value("trimllava", "kept_tokens") as? Int
            }
            #expect(try await kept([:]) == 9)
            #expect(try await kept(["keep": 5]) == 5)
            #expect(try await kept(["model": "llava-1.5-gqa@3"]) == 3)
            #expect(try await kept(["model": "llava-1.5-gqa@3", "keep": 4]) == 4)
            let all = try await kept(["keep": "all"])
            #expect(
                try all == server.llava.run("What?", ["wide"], exactly(1)).statistics.visualRows)
            #expect(try await kept(["keep": nil]) == all)
        }
    }

    /// Cells that are kept lie on the picture where the tiles say; without pruning all are.
    @Test func tilesLieOnThePicture() async throws {
        for (model, tiles) in [("llava-1.5-gqa", 1), ("llava-next-mistral", 2)] {
            try await TestServer.run(model) { server in
                let answer = try await server.chat(
                    exactly(1, [question("?", [try dataURL("landscape")])], ["prune_map": true]))
                let picture = try PictureDecoder.decode(pictureFile("landscape"), name: "landscape")
                #expect(
                    try answer.value("trimllava", "pictures", "0", "width") as? Int
                        == picture.width)
                let found = try #require(
                    try answer.value("trimllava", "pictures", "0", "tiles") as? [[String: Any]])
                #expect(found.count == tiles)
                for tile in found {
                    let columns = try #require(tile["columns"] as? Int)
                    let rows = try #require(tile["rows"] as? Int)
                    #expect(tile["kept"] as? [Int] == Array(0..<columns * rows))
                    let x = try #require(tile["x"] as? Double)
                    let width = try #require(tile["width"] as? Double)
                    #expect(x <= 0.5 * width && x + width >= Double(picture.width) * 0.5)
                }
            }
        }
    }

    @Test func nonsenseIsRefusedByName() async throws {
        try await TestServer.run { server in
            let messages = [question("What?", [try dataURL("wide")])]
            for (name, value) in [
                ("keep", 0), ("keep", "0%"), ("keep", -3), ("keep", "many"), ("keep", [1]),
                ("selector", "best"), ("selector", 3), ("positions", "here"), ("share_budget", 1),
            ] as [(String, JSONValue)] {
                let answer = try await server.chat(exactly(2, messages, .object([name: value])))
                #expect(answer.status == 400, "\(name) \(value)")
                #expect(try answer.value("error", "param") as? String == name, "\(value)")
            }
            let selector = try await server.chat(exactly(2, messages, ["selector": "best"]))
            for name in TokenSelectors.names { #expect(selector.text.contains(name)) }
        }
    }

    @Test func choicesWithoutABudgetAreRefusedByName() async throws {
        let choices: [(String, JSONValue)] = [
            ("selector", "divprune"), ("positions", "compact"), ("merge", "mean"),
            ("share_budget", true),
        ]
        for pruning in [nil, PruningOptions(budget: .count(9))] {
            try await TestServer.run {
                $0.pruning = pruning
            } _: { server in
                let messages = [question("What?", [try dataURL("wide")])]
                for (name, value) in choices {
                    let alone = try await server.chat(exactly(2, messages, .object([name: value])))
                    #expect(alone.status == (pruning == nil ? 400 : 200), "\(name)")
                    if pruning == nil {
                        #expect(try alone.value("error", "param") as? String == name)
                        #expect(alone.text.contains("has no effect without keep"))
                    }
                    let withAll = try await server.chat(
                        exactly(2, messages, .object([name: value, "keep": "all"])))
                    #expect(withAll.status == 200, "\(name)")
                }
            }
        }
    }
}
