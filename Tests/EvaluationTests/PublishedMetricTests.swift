// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@testable import Evaluation

/// The metrics of published sets against the scores of lmms-eval, LLaVA and MileBench, and what is made of them.
@Suite struct PublishedMetricTests {
    private struct Case: Decodable {
        let metric: EvaluationMetric
        let answer: String
        let answers: [String]
        let choices: [String]
        let score: Double

        var question: EvaluationQuestion {
            EvaluationQuestion(
                id: "1", pictures: [], question: "?", answers: answers, choices: choices, task: "t",
                metric: metric)
        }
    }

    @Test func scoresAreThePublishedOnes() throws {
        let cases = try JSONDecoder().decode(
            [Case].self, from: Data(Fixture.bytes("scores/published.json")))
        for each in cases {
            let score = try #require(each.metric.score(each.answer, each.question))
            #expect(
                abs(score - each.score) < 1e-9,
                "\(each.metric) \(each.answer) \(each.answers) \(each.choices): \(score)")
        }
        #expect(Set(cases.map(\.metric)).count == 12)
    }

    @Test(arguments: [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (77, "BZ")])
    func choicesHaveLetters(index: Int, letter: String) {
        #expect(choiceLetter(index) == letter)
    }

    /// Two subtasks of MME with two pictures each.
    private func summary(
        _ metric: EvaluationMetric, _ total: EvaluationTotal, tasks: [String] = ["count", "OCR"]
    ) -> [EvaluationSummary.Row] {
        var questions: [EvaluationQuestion] = []
        var records: [EvaluationRecord] = []
        for (index, text) in ["Yes", "No", "Yes", "Yes", "no.", "No", "yes", "No"].enumerated() {
            let right = index % 2 == 0 ? "yes" : "no"
            questions.append(
                EvaluationQuestion(
                    id: "\(index)", pictures: [], question: "?", answers: [right],
                    unit: "\(index / 2)", task: tasks[index / 4], metric: metric))
            records.append(
                EvaluationRecord(
                    id: "\(index)", setting: "unpruned", text: text, error: nil, visualTokens: 4,
                    keptTokens: 2))
        }
        return EvaluationSummary(questions, [EvaluationSetting(nil)], records, total: total).rows
    }

    @Test func mmeAddsAccuracyAndWholePictures() {
        let parts = [EvaluationTotal.Part(name: "both", tasks: ["count", "OCR"])]
        let rows = summary(.mme, .sums(parts))
        // count: three of four right and one picture of two; OCR: the same.
        #expect(rows.map(\.task) == ["count", "OCR", "both", nil])
        #expect(rows.map(\.score) == [1.25, 1.25, 2.5, 2.5])
        #expect(rows[0].accuracy == 0.75 && rows[0].wholeUnits == 0.5 && rows[2].count == 8)
    }

    @Test func aSumNeedsAllOfItsTasks() {
        let parts = [EvaluationTotal.Part(name: "both", tasks: ["count", "OCR", "scene"])]
        #expect(summary(.mme, .sums(parts)).map(\.task) == ["count", "OCR"])
    }

    @Test func popeHasTheMeanOfItsFigures() throws {
        let rows = summary(.pope, .meanOfTasks)
        let figures = try rows.map { try #require($0.yesNo) }
        #expect(rows.count == 3 && rows[0].score == 0.75)
        #expect(figures[0].precision == 2.0 / 3 && figures[1].precision == 1)
        #expect(abs(figures[2].precision - 2.5 / 3) < 1e-12)
    }

    @Test func allQuestionsCanBeScoredTogether() {
        let rows = summary(.pope, .allQuestions)
        #expect(rows.map(\.count) == [4, 4, 8] && rows[2].task == nil && rows[2].score == 0.75)
        #expect(rows[2].yesNo?.recall == 0.75)
    }

    @Test func aQuestionOfMMBenchMustBeRightInAllCopies() {
        let questions = (0..<4).map { index in
            EvaluationQuestion(
                id: "\(index)", pictures: [], question: "?", answers: ["B"], choices: ["a", "b"],
                unit: "\(index / 2)", task: "t", metric: .mmBench)
        }
        let records = ["B.", "The answer is B", "B", "A"].enumerated().map { index, text in
            EvaluationRecord(
                id: "\(index)", setting: "unpruned", text: text, error: nil, visualTokens: 0,
                keptTokens: 0)
        }
        let rows = EvaluationSummary(questions, [EvaluationSetting(nil)], records).rows
        #expect(rows.map(\.score) == [0.5] && rows[0].accuracy == 0.75)
    }
}
