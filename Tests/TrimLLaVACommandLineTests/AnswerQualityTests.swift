// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// The scores of the demonstration model on pictures that it was not trained on.
@Suite struct AnswerQualityTests {
    private struct Row: Decodable {
        let setting: String
        let task: String?
        let score: Double
        let keptTokens: Double
    }

    private struct Report: Decodable {
        let results: [Row]
    }

    /// The rows of an evaluation of the demonstration model.
    private func rows(_ arguments: [String]) throws -> [Row] {
        let outcome = try ToolProcess.run(
            [
                "eval", Fixture.path("scenes/questions.jsonl"), "--metric", "exact",
                "--max-tokens", "160", "--selector", "spread", "--output", "json",
            ] + arguments, timeout: 300)
        try #require(outcome.code == 0, "\(outcome.errors)")
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(Report.self, from: Data(outcome.output)).results
    }

    /// `--keep auto` loses at most a tenth of the unpruned score, on crowded and on other pictures, and is no worse
    /// than a fixed budget of a larger mean.
    @Test func automaticBudgetsHoldTheirFloor() throws {
        let rows = try rows(["--keep", "auto,80"])
        func score(_ setting: String, _ isCounted: (String) -> Bool) throws -> Double {
            let scores = rows.filter { $0.setting == setting && $0.task.map(isCounted) ?? false }
            try #require(!scores.isEmpty)
            return scores.map(\.score).reduce(0, +) / Double(scores.count)
        }
        let all = { (_: String) in true }
        let crowded = { (task: String) in task.hasPrefix("crowded") }
        #expect(try score("unpruned", all) >= 70)
        for tasks in [all, crowded, { !crowded($0) }] {
            #expect(try score("spread auto", tasks) >= 0.9 * score("unpruned", tasks))
        }
        let mean = try #require(rows.first { $0.setting == "spread auto" && $0.task == nil })
        #expect(mean.keptTokens <= 80, "the fixed budget is smaller")
        #expect(try score("spread auto", all) >= score("spread 80", all))
    }

    /// A vision tower that sees three quarters of the patches loses at most a twentieth of the score.
    @Test func aTowerMayMissWhatRepeatsItsNeighbours() throws {
        let (whole, some) = (
            try rows(["--keep", "64"]), try rows(["--keep", "64", "--tower-keep", "75%"])
        )
        for setting in ["unpruned", "spread 64"] {
            let score = { (rows: [Row]) in
                try #require(rows.first { $0.setting == setting && $0.task == nil }).score
            }
            #expect(try score(some) >= 0.95 * score(whole), "\(setting)")
        }
    }
}
