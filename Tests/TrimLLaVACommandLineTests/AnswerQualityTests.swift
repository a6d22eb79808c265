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

    /// `--keep auto` loses at most a tenth of the unpruned score, on crowded and on other pictures, and is no worse
    /// than a fixed budget of a larger mean.
    @Test func automaticBudgetsHoldTheirFloor() throws {
        let outcome = try ToolProcess.run(
            [
                "eval", Fixture.path("scenes/questions.jsonl"), "--metric", "exact",
                "--max-tokens", "160", "--keep", "auto,80", "--selector", "spread",
                "--output", "json",
            ], timeout: 300)
        try #require(outcome.code == 0, "\(outcome.errors)")
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let rows = try decoder.decode(Report.self, from: Data(outcome.output)).results
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
}
