// SPDX-License-Identifier: Apache-2.0

/// How an answer is scored.
public enum EvaluationMetric: String, CaseIterable, Codable, Sendable {
    /// 1 for one of the right answers, compared without case, punctuation and articles.
    case exact
    /// The VQA accuracy (arXiv 1505.00468): the share of ten people who agree; three are enough.
    case vqa
    /// 1 for the right letter of a multiple choice.
    case choice
    /// 1 for the right one of yes and no, with precision, recall and F1 (POPE, arXiv 2305.10355).
    case yesNo = "yes-no"
    /// CIDEr-D (arXiv 1411.5726) over all questions of the task.
    case cider

    /// The default metric for a question, by the form of its right answers.
    init(suiting answers: [String], to question: String, task: String?) {
        let words = answers.map(normalisedAnswer)
        if task == "caption-consensus" {
            self = .cider
        } else if words.allSatisfy({ $0 == "yes" || $0 == "no" }) {
            self = .yesNo
        } else if answers.count >= 10 {
            self = .vqa
        } else if answers.count == 1, letter(answers[0]) == words[0].first, words[0].count == 1,
            question.contains("A.") || question.contains("(A)") || question.contains("A)")
        {
            self = .choice
        } else {
            self = .exact
        }
    }

    /// The score of one answer, 0 to 1; nil if the metric scores all answers of a task together.
    public func score(_ answer: String, _ question: EvaluationQuestion) -> Double? {
        switch self {
        case .exact:
            let found = normalisedAnswer(answer)
            return question.answers.contains { normalisedAnswer($0) == found } ? 1 : 0
        case .vqa:
            return agreement(answer, question.answers)
        case .choice:
            return letter(answer) == letter(question.answers[0]) ? 1 : 0
        case .yesNo:
            return isYes(answer) == isYes(question.answers[0]) ? 1 : 0
        case .cider:
            return nil
        }
    }

    /// The mean over leaving out each person in turn: a third for each of the others who agree, at most 1.
    private func agreement(_ answer: String, _ answers: [String]) -> Double {
        let found = normalisedAnswer(answer)
        let agrees = answers.map { normalisedAnswer($0) == found }
        let agreeing = agrees.count(where: \.self)
        guard answers.count > 1 else { return agreeing > 0 ? 1 : 0 }
        let scores = agrees.map { min(1, Double(agreeing - ($0 ? 1 : 0)) / 3) }
        return scores.reduce(0, +) / Double(scores.count)
    }
}

/// The letter that answers a multiple-choice question: the first word that is a single capital letter, or a
/// single small letter at the start.
func letter(_ answer: String) -> Character? {
    let words = answer.split { !$0.isLetter && !$0.isNumber }
    let capital = words.first { word in
        word.count == 1 && word.allSatisfy { $0.isASCII && $0.isUppercase }
    }
    if let capital { return capital.lowercased().first }
    guard let first = words.first, first.count == 1 else { return nil }
    return first.lowercased().first
}

/// Whether an answer says yes.
///
/// POPE counts every answer without "no" and "not" as a yes.
func isYes(_ answer: String) -> Bool {
    let sentence = answer.split(separator: ".", omittingEmptySubsequences: true).first ?? ""
    let words = normalisedWords(String(sentence))
    return !words.contains("no") && !words.contains("not")
}

/// Counts of right and wrong answers to yes-or-no questions.
public struct YesNoCounts: Sendable, Equatable {
    /// Answers of yes, right and wrong.
    public private(set) var (trueYes, falseYes) = (0, 0)
    /// Answers of no, right and wrong.
    public private(set) var (trueNo, falseNo) = (0, 0)

    /// Counts of zero.
    public init() {}

    /// Counts one answer.
    public mutating func add(_ answer: String, right: String) {
        switch (isYes(answer), isYes(right)) {
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
}
