// SPDX-License-Identifier: Apache-2.0

/// How an answer is scored.
public enum EvaluationMetric: String, CaseIterable, Codable, Sendable {
    /// 1 for one of the right answers, compared without case, punctuation and articles.
    case exact
    /// The VQA accuracy (arXiv 1505.00468): the share of ten people who agree; three are enough.
    ///
    /// Answers are compared as EvalAI does for TextVQA and VizWiz.
    case vqa
    /// The same accuracy with the normalisation of VQAv2's own evaluation.
    case vqaV2 = "vqa-v2"
    /// 1 for the right letter of a multiple choice.
    case choice
    /// 1 for the right one of yes and no, with precision, recall and F1.
    case yesNo = "yes-no"
    /// CIDEr-D (arXiv 1411.5726) over all questions of the task.
    case cider
    /// The same for yes and no by POPE's own rule (arXiv 2305.10355).
    case pope
    /// 1 for the right answer, compared without case and ASCII punctuation (GQA, arXiv 1902.09506).
    case gqa
    /// 1 for the right letter at the start, as LLaVA scores ScienceQA (arXiv 2209.09513).
    case scienceQA = "science-qa"
    /// 1 for the right letter as the first character (SEED-Bench, arXiv 2307.16125).
    case seedBench = "seed-bench"
    /// 1 for a unit of questions that all name the right choice (MMBench's circular evaluation, arXiv 2307.06281).
    case mmBench = "mmbench"
    /// The share of right answers plus the share of units of questions that are all right, 0 to 2 (MME, arXiv 2306.13394).
    case mme
    /// 1 for the right choice by MileBench's rules (arXiv 2404.18532).
    case mileBenchChoice = "milebench-choice"
    /// 1 if the right answer is a word of the answer (MileBench's needles).
    case mileBenchWord = "milebench-word"
    /// 1 if the right answer is a part of the answer (MileBench's MMCoQA).
    case mileBenchPart = "milebench-part"
    /// Rouge-L's F, as MileBench computes it.
    case rougeL = "rouge-l"

    /// How the scores of questions become that of a task.
    enum Combination {
        /// Their mean.
        case mean
        /// The share of units whose questions all have a score of 1.
        case wholeUnits
        /// The sum of both.
        case meanAndWholeUnits
    }

    /// How scores are combined.
    var combination: Combination {
        switch self {
        case .mmBench: .wholeUnits
        case .mme: .meanAndWholeUnits
        default: .mean
        }
    }

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
        case .vqa: agreement(answer, question.answers, evalAIAnswer)
        case .vqaV2: agreement(answer, question.answers, vqaAnswer)
        case .rougeL: rougeLScore(answer, question.answers[0])
        case .cider: nil
        default: isRight(answer, question) ? 1 : 0
        }
    }

    /// Whether an answer is right, for metrics that know nothing between right and wrong.
    private func isRight(_ answer: String, _ question: EvaluationQuestion) -> Bool {
        let right = question.answers[0]
        switch self {
        case .exact:
            let found = normalisedAnswer(answer)
            return question.answers.contains { normalisedAnswer($0) == found }
        case .choice: return letter(answer) == letter(right)
        case .yesNo, .pope, .mme: return saysYes(answer) == saysYes(right)
        case .gqa: return gqaAnswer(answer) == gqaAnswer(right)
        case .scienceQA: return scienceQALetter(answer) == right.lowercased()
        case .seedBench: return seedBenchLetter(answer) == right.lowercased()
        case .mmBench: return mmBenchChoice(answer, question.choices).map(String.init) == right
        case .mileBenchChoice:
            let choices = question.choices.map(mileBenchAnswer)
            return choices.firstIndex(of: mileBenchAnswer(right)).map(choiceLetter)
                == mileBenchLetter(answer, question.choices)
        case .mileBenchWord:
            return mileBenchAnswer(answer).split(whereSeparator: \.isWhitespace)
                .contains { $0 == mileBenchAnswer(right) }
        case .mileBenchPart: return mileBenchAnswer(answer).contains(mileBenchAnswer(right))
        case .vqa, .vqaV2, .rougeL, .cider: return false
        }
    }

    /// Whether an answer says yes, by the rule of a metric for yes and no; nil if it says neither.
    func saysYes(_ answer: String) -> Bool? {
        switch self {
        case .pope: popeSaysYes(answer)
        case .mme: mmeSaysYes(answer)
        default: isYes(answer)
        }
    }

    /// Whether precision, recall and F1 belong to the metric.
    var countsYesAndNo: Bool { self == .yesNo || self == .pope }

    /// The mean over leaving out each person in turn: a third for each of the others who agree, at most 1.
    private func agreement(
        _ answer: String, _ answers: [String], _ normalised: (String) -> String
    ) -> Double {
        let found = normalised(answer)
        let agrees = answers.map { normalised($0) == found }
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
/// Every answer without "no" and "not" in its first sentence counts as a yes.
func isYes(_ answer: String) -> Bool {
    let sentence = answer.split(separator: ".", omittingEmptySubsequences: true).first ?? ""
    let words = normalisedWords(String(sentence))
    return !words.contains("no") && !words.contains("not")
}
