// SPDX-License-Identifier: Apache-2.0

/// Counts of right and wrong answers to yes-or-no questions.
public struct YesNoCounts: Sendable, Equatable {
    /// Answers of yes, right and wrong.
    public private(set) var (trueYes, falseYes) = (0, 0)
    /// Answers of no, right and wrong.
    public private(set) var (trueNo, falseNo) = (0, 0)

    /// Counts of zero.
    public init() {}

    /// Counts one answer by the rule of `yes-no`.
    public mutating func add(_ answer: String, right: String) {
        add(isYes(answer), right: isYes(right))
    }

    /// Counts one answer that says yes or no.
    mutating func add(_ answer: Bool, right: Bool) {
        switch (answer, right) {
        case (true, true): trueYes += 1
        case (true, false): falseYes += 1
        case (false, false): trueNo += 1
        case (false, true): falseNo += 1
        }
    }

    /// The share of yes answers that are right.
    public var precision: Double { ratio(trueYes, trueYes + falseYes) }
    /// The share of questions with the right answer yes that were answered so.
    public var recall: Double { ratio(trueYes, trueYes + falseNo) }
    /// The harmonic mean of both.
    public var f1: Double { ratio(2 * trueYes, 2 * trueYes + falseYes + falseNo) }
    /// The share of all answers that are yes.
    public var yesShare: Double {
        ratio(trueYes + falseYes, trueYes + falseYes + trueNo + falseNo)
    }

    private func ratio(_ part: Int, _ whole: Int) -> Double {
        whole > 0 ? Double(part) / Double(whole) : 0
    }

    /// The figures that papers print.
    public var figures: YesNoFigures {
        YesNoFigures(precision: precision, recall: recall, f1: f1, yesShare: yesShare)
    }
}

/// What answers of yes and no amount to.
public struct YesNoFigures: Sendable, Equatable {
    /// The share of yes answers that are right.
    public let precision: Double
    /// The share of questions with the right answer yes that were answered so.
    public let recall: Double
    /// The harmonic mean of both.
    public let f1: Double
    /// The share of all answers that are yes.
    public let yesShare: Double
}

extension YesNoFigures {
    /// The means over several tasks, as papers print them for POPE; nil if a task has none.
    init?(meanOf all: [YesNoFigures?]) {
        let figures = all.compactMap(\.self)
        guard !figures.isEmpty, figures.count == all.count else { return nil }
        func mean(_ value: (YesNoFigures) -> Double) -> Double {
            figures.reduce(0) { $0 + value($1) } / Double(figures.count)
        }
        self.init(
            precision: mean(\.precision), recall: mean(\.recall), f1: mean(\.f1),
            yesShare: mean(\.yesShare))
    }
}
