// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@testable import Evaluation

@Suite struct MetricTests {
    private func question(
        _ answers: [String], _ text: String = "What?", metric: EvaluationMetric
    ) -> EvaluationQuestion {
        EvaluationQuestion(
            id: "1", pictures: [], question: text, answers: answers, task: "t", metric: metric)
    }

    @Test(arguments: [
        ("Red.", "red", 1.0), ("the red", "Red", 1), ("a red circle", "red", 0), ("", "red", 0),
        ("Two", "2", 1), ("1,000", "1,000", 1), ("it's", "its", 1), ("3.5 m", "3.5 m.", 1),
        ("Größe", "größe", 1), ("left-hand", "left hand", 1),
    ])
    func exactMatchLooksAtWordsAlone(answer: String, right: String, score: Double) {
        let question = question([right], metric: .exact)
        #expect(EvaluationMetric.exact.score(answer, question) == score)
    }

    /// The VQA paper's definition for ten people, of whom none to all agree.
    @Test(arguments: 0...10)
    func agreementIsTheMeanOverChoicesOfNine(agreeing: Int) throws {
        let answers = (0..<10).map { $0 < agreeing ? "red" : "other \($0)" }
        let choices = (0..<10).map { left in
            let others = answers.indices.filter { $0 != left && answers[$0] == "red" }.count
            return min(1, Double(others) / 3)
        }
        let score = try #require(
            EvaluationMetric.vqa.score("Red", question(answers, metric: .vqa)))
        #expect(abs(score - choices.reduce(0, +) / 10) < 1e-12)
    }

    @Test(arguments: [
        ("B", "B", 1.0), ("(b) a cat", "B", 1), ("The answer is B.", "B", 1), ("A dog", "A", 1),
        ("C", "B", 0), ("banana", "B", 0), ("", "B", 0),
    ])
    func choicesAreLetters(answer: String, right: String, score: Double) {
        #expect(EvaluationMetric.choice.score(answer, question([right], metric: .choice)) == score)
    }

    @Test func yesAndNoAreCounted() {
        var counts = YesNoCounts()
        for (answer, right) in [
            ("Yes, there is.", "yes"), ("Yes", "no"), ("There is no dog. Yes.", "no"),
            ("No", "yes"),
            ("It is not", "no"), ("yes", "yes"),
        ] { counts.add(answer, right: right) }
        #expect(counts.trueYes == 2 && counts.falseYes == 1)
        #expect(counts.trueNo == 2 && counts.falseNo == 1)
        #expect(counts.precision == 2.0 / 3 && counts.recall == 2.0 / 3)
        #expect(counts.f1 == 2.0 / 3 && counts.yesShare == 0.5)
        #expect(YesNoCounts().f1 == 0)
    }

    private struct Case: Decodable {
        let candidate: String
        let references: [String]
        let cider: Double
    }

    @Test func consensusIsThatOfTheOriginal() throws {
        let cases = try JSONDecoder().decode(
            [Case].self, from: Data(Fixture.bytes("scores/cider.json")))
        let consensus = CaptionConsensus(references: cases.map(\.references))
        for each in cases {
            let score = consensus.score(each.candidate, each.references)
            #expect(abs(score - each.cider) < 1e-9, "\(each.candidate)")
        }
        #expect(cases.contains { $0.cider > 5 } && cases.contains { $0.cider < 1 })
    }

    @Test(arguments: [
        (["yes"], "Is it?", EvaluationMetric.yesNo), (["B"], "Which? A. dog B. cat", .choice),
        (Array(repeating: "red", count: 10), "Which colour?", .vqa), (["red"], "Which?", .exact),
        (["B"], "Which letter is on the sign?", .exact),
    ])
    func metricsSuitTheRightAnswers(answers: [String], text: String, metric: EvaluationMetric) {
        #expect(EvaluationMetric(suiting: answers, to: text, task: nil) == metric)
    }
}
