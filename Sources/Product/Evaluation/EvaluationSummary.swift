// SPDX-License-Identifier: Apache-2.0

/// What is computed over the tasks of a setting.
public enum EvaluationTotal: Sendable, Equatable {
    /// The unweighted mean over the tasks.
    case meanOfTasks
    /// The score of all questions together.
    case allQuestions
    /// Sums over some tasks, each of which is left out unless it has all of them, and the sum of these.
    case sums([Part])

    /// Tasks whose scores are added.
    public struct Part: Sendable, Equatable {
        /// The sum's name.
        public let name: String
        /// The tasks.
        public let tasks: [String]
    }
}

/// The scores of the answers at each setting.
public struct EvaluationSummary: Sendable, Equatable {
    /// One setting's answers to one task, or to all.
    public struct Row: Sendable, Equatable {
        /// The setting's name.
        public let setting: String
        /// The task or the name of a sum; nil for the total.
        public let task: String?
        /// The metric; nil if the tasks differ.
        public let metric: EvaluationMetric?
        /// The mean score: 0 to 1, for CIDEr 0 to 10, for MME 0 to 2; or a sum of those of tasks.
        public let score: Double
        /// The share of right answers where the score has more in it; nil elsewhere.
        public let accuracy: Double?
        /// The share of units of questions that are all right where the score has more in it; nil elsewhere.
        public let wholeUnits: Double?
        /// The number of questions.
        public let count: Int
        /// Questions that failed; they score zero.
        public let failures: Int
        /// The mean number of visual tokens that entered the decoder.
        public let keptTokens: Double
        /// The mean number of visual tokens before pruning.
        public let visualTokens: Double
        /// The figures of yes-or-no questions; nil for other metrics.
        public let yesNo: YesNoFigures?
        /// The part of the first setting's score that is left, by the same questions in 95 of 100 resamples.
        ///
        /// Nil for the first setting, where it answered other questions or none of them right, and where there is only one
        /// unit of questions.
        public fileprivate(set) var retained: ClosedRange<Double>?
        /// The scores of the tasks that the row is about.
        fileprivate let scores: [ScoredUnits]
    }

    /// The rows by setting.
    ///
    /// Each setting has its tasks in the order of the questions, then what `total` says.
    public let rows: [Row]

    /// Scores the answers to `questions`.
    ///
    /// A question without a record at a setting is left out there.
    public init(
        _ questions: [EvaluationQuestion], _ settings: [EvaluationSetting],
        _ records: [EvaluationRecord], total: EvaluationTotal = .meanOfTasks
    ) {
        var bySetting: [String: [String: EvaluationRecord]] = [:]
        for record in records { bySetting[record.setting, default: [:]][record.id] = record }
        var tasks: [String] = []
        var grouped: [String: [EvaluationQuestion]] = [:]
        for question in questions {
            if grouped[question.task] == nil { tasks.append(question.task) }
            grouped[question.task, default: []].append(question)
        }
        var rows = settings.flatMap { setting -> [Row] in
            let answers = bySetting[setting.name] ?? [:]
            let rows = tasks.compactMap {
                Row(setting.name, $0, grouped[$0] ?? [], answers)
            }
            switch total {
            case _ where rows.isEmpty: return []
            case .meanOfTasks: return rows.count > 1 ? rows + [Row(meanOf: rows)] : rows
            case .allQuestions:
                let all = rows.count > 1 ? Row(setting.name, nil, questions, answers) : nil
                return rows + [all].compactMap(\.self)
            case .sums(let parts): return rows + Row.sums(parts, of: rows)
            }
        }
        let first = rows.prefix { $0.setting == settings.first?.name }
        for index in rows.indices.dropFirst(first.count) {
            let whole = first.first { $0.task == rows[index].task }
            rows[index].retained = whole.flatMap {
                ScoredUnits.retained(rows[index].scores, of: $0.scores)
            }
        }
        self.rows = rows
    }
}

extension EvaluationSummary.Row {
    fileprivate init?(
        _ setting: String, _ task: String?, _ questions: [EvaluationQuestion],
        _ records: [String: EvaluationRecord]
    ) {
        let answered = questions.compactMap { question in
            records[question.id].map { (question, $0) }
        }
        guard !answered.isEmpty else { return nil }
        let metrics = Set(answered.map(\.0.metric))
        let metric = metrics.count == 1 ? metrics.first : nil
        let consensus = CaptionConsensus(
            references: answered.filter { $0.0.metric == .cider }.map(\.0.answers))
        var counts = YesNoCounts()
        var scored: [(unit: String, score: Double)] = []
        for (question, record) in answered {
            let score =
                record.text.map {
                    question.metric.score($0, question)
                        ?? consensus.score($0, question.answers)
                } ?? 0
            scored.append((question.unit ?? question.id, score))
            if let answer = record.text, question.metric.countsYesAndNo,
                let said = question.metric.saysYes(answer)
            {
                counts.add(said, right: question.metric.saysYes(question.answers[0]) == true)
            }
        }
        let combination = metric?.combination ?? .mean
        let scores = ScoredUnits(scored, combination)
        func mean(_ value: (EvaluationRecord) -> Int) -> Double {
            answered.reduce(0.0) { $0 + Double(value($1.1)) } / Double(answered.count)
        }
        self.init(
            setting: setting, task: task, metric: metric,
            score: scores.score,
            accuracy: combination == .mean ? nil : scores.accuracy,
            wholeUnits: combination == .mean ? nil : scores.wholeUnits, count: answered.count,
            failures: answered.count { $0.1.text == nil }, keptTokens: mean(\.keptTokens),
            visualTokens: mean(\.visualTokens),
            yesNo: metric?.countsYesAndNo == true ? counts.figures : nil, scores: [scores])
    }

    /// The unweighted mean over tasks.
    fileprivate init(meanOf rows: [Self]) {
        let score = rows.reduce(0) { $0 + $1.score } / Double(rows.count)
        self.init(over: rows, task: nil, score: score, YesNoFigures(meanOf: rows.map(\.yesNo)))
    }

    /// The sums that have all of their tasks, and the sum of these if all are there.
    fileprivate static func sums(_ parts: [EvaluationTotal.Part], of rows: [Self]) -> [Self] {
        let sums = parts.compactMap { part -> Self? in
            let added = rows.filter { row in row.task.map(part.tasks.contains) == true }
            guard added.count == part.tasks.count else { return nil }
            return Self(
                over: added, task: part.name, score: added.reduce(0) { $0 + $1.score }, nil)
        }
        guard sums.count == parts.count else { return sums }
        let total = Self(
            over: rows, task: nil, score: sums.reduce(0) { $0 + $1.score }, nil,
            sums.flatMap(\.scores))
        return sums + [total]
    }

    /// - Parameter scores: what the score is computed of; nil for the scores of all rows.
    private init(
        over rows: [Self], task: String?, score: Double, _ yesNo: YesNoFigures?,
        _ scores: [ScoredUnits]? = nil
    ) {
        func mean(_ value: (Self) -> Double) -> Double {
            rows.reduce(0) { $0 + value($1) } / Double(rows.count)
        }
        let metrics = Set(rows.map(\.metric))
        self.init(
            setting: rows[0].setting, task: task,
            metric: metrics.count == 1 ? rows[0].metric : nil, score: score, accuracy: nil,
            wholeUnits: nil, count: rows.reduce(0) { $0 + $1.count },
            failures: rows.reduce(0) { $0 + $1.failures }, keptTokens: mean(\.keptTokens),
            visualTokens: mean(\.visualTokens), yesNo: yesNo,
            scores: scores ?? rows.flatMap(\.scores))
    }
}
