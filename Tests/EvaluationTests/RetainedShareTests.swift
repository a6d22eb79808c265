// SPDX-License-Identifier: Apache-2.0
import Testing
import TrimLLaVA

@testable import Evaluation

/// How sure it is what pruning leaves of the scores.
@Suite struct RetainedShareTests {
    private let settings = EvaluationSetting.grid(
        budgets: [.count(3)], selectors: ["spread"], positions: [.original],
        options: SelectorOptions(), sharesBudget: false)

    /// The rows of questions whose answers are right in turn as a setting's pattern says.
    ///
    /// - Parameters:
    ///   - task: the task of a question.
    ///   - unit: the questions that are scored together.
    private func rows(
        count: Int, whole: [Bool], pruned: [Bool], skipped: Set<Int> = [],
        task: (Int) -> String = { _ in "task" }, unit: (Int) -> String? = { _ in nil },
        metric: EvaluationMetric = .exact
    ) -> [EvaluationSummary.Row] {
        let questions = (0..<count).map { index in
            EvaluationQuestion(
                id: "\(index)", pictures: [], question: "?", answers: ["yes"], unit: unit(index),
                task: task(index), metric: metric)
        }
        let records = zip(settings, [whole, pruned]).flatMap { setting, pattern in
            (0..<count).filter { setting.pruning == nil || !skipped.contains($0) }.map { index in
                EvaluationRecord(
                    id: "\(index)", setting: setting.name,
                    text: pattern[index % pattern.count] ? "yes" : "no", error: nil,
                    visualTokens: 4, keptTokens: 2)
            }
        }
        return EvaluationSummary(questions, settings, records).rows
    }

    /// Four of five answers are left.
    ///
    /// The normal approximation of the binomial distribution has 1.96 standard errors on either side, 0.0554. An end of 1000
    /// resamples is off by a standard error of about 0.0024, of which 0.012 are five.
    @Test func theIntervalIsTheBinomialOne() throws {
        let rows = rows(count: 200, whole: [true], pruned: [true, true, true, true, false])
        #expect(rows[0].retained == nil)
        let interval = try #require(rows[1].retained)
        #expect(abs(interval.lowerBound - (0.8 - 0.0554)) < 0.012, "\(interval)")
        #expect(abs(interval.upperBound - (0.8 + 0.0554)) < 0.012, "\(interval)")
    }

    /// The same questions are drawn for both settings: where all answers are equal, nothing is uncertain.
    @Test func settingsArePaired() throws {
        let rows = rows(count: 50, whole: [true, false], pruned: [true, false])
        #expect(try #require(rows[1].retained) == 1...1)
    }

    /// Pictures with two questions each, one of them always wrong: no picture is whole in any resample.
    @Test func whatIsScoredTogetherIsDrawnTogether() throws {
        let rows = rows(
            count: 60, whole: [true], pruned: [true, false], unit: { "\($0 / 2)" }, metric: .mme)
        #expect(rows[0].score == 2 && rows[1].score == 0.5)
        #expect(try #require(rows[1].retained) == 0.25...0.25)
    }

    /// Of two tasks that are left whole and not at all, the mean is left by half, whichever questions are drawn.
    @Test func tasksAreDrawnApart() throws {
        let rows = rows(
            count: 40, whole: [true], pruned: [true, false],
            task: { $0 % 2 == 0 ? "kept" : "lost" })
        let pruned = rows.filter { $0.setting == settings[1].name }
        #expect(pruned.map(\.retained) == [1...1, 0...0, 0.5...0.5])
    }

    @Test func nothingIsSaidOfOtherQuestionsOneQuestionAndNothingRight() {
        #expect(rows(count: 9, whole: [true], pruned: [true], skipped: [4])[1].retained == nil)
        #expect(rows(count: 1, whole: [true], pruned: [true])[1].retained == nil)
        #expect(rows(count: 9, whole: [false], pruned: [true])[1].retained == nil)
    }
}
