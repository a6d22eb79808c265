// SPDX-License-Identifier: Apache-2.0

/// The scores of the answers at each setting.
public struct EvaluationSummary: Sendable, Equatable {
    /// One setting's answers to one task, or to all.
    public struct Row: Sendable, Equatable {
        /// The setting's name.
        public let setting: String
        /// The task; nil for the mean over all tasks.
        public let task: String?
        /// The metric; nil if the tasks differ.
        public let metric: EvaluationMetric?
        /// The mean score: 0 to 1, for CIDEr 0 to 10.
        public let score: Double
        /// The number of questions.
        public let count: Int
        /// Questions that failed; they score zero.
        public let failures: Int
        /// The mean number of visual tokens that entered the decoder.
        public let keptTokens: Double
        /// The mean number of visual tokens before pruning.
        public let visualTokens: Double
        /// The counts of yes-or-no questions; nil for other metrics.
        public let yesNo: YesNoCounts?
    }

    /// The rows by setting.
    ///
    /// Each setting has its tasks in the order of the questions, then their mean.
    public let rows: [Row]

    /// Scores the answers to `questions`.
    ///
    /// A question without a record at a setting is left out there.
    public init(
        _ questions: [EvaluationQuestion], _ settings: [EvaluationSetting],
        _ records: [EvaluationRecord]
    ) {
        var bySetting: [String: [String: EvaluationRecord]] = [:]
        for record in records { bySetting[record.setting, default: [:]][record.id] = record }
        var tasks: [String] = []
        for question in questions where !tasks.contains(question.task) {
            tasks.append(question.task)
        }
        let grouped = Dictionary(grouping: questions, by: \.task)
        rows = settings.flatMap { setting -> [Row] in
            let answers = bySetting[setting.name] ?? [:]
            let rows = tasks.compactMap {
                Row(setting.name, $0, grouped[$0] ?? [], answers)
            }
            return rows + (rows.count > 1 ? [Row(meanOf: rows)] : [])
        }
    }
}

extension EvaluationSummary.Row {
    fileprivate init?(
        _ setting: String, _ task: String, _ questions: [EvaluationQuestion],
        _ records: [String: EvaluationRecord]
    ) {
        let answered = questions.compactMap { question in
            records[question.id].map { (question, $0) }
        }
        guard !answered.isEmpty else { return nil }
        let metrics = Set(answered.map(\.0.metric))
        let consensus = CaptionConsensus(
            references: answered.filter { $0.0.metric == .cider }.map(\.0.answers))
        var (total, counts) = (0.0, YesNoCounts())
        for (question, record) in answered {
            guard let answer = record.text else { continue }
            total +=
                question.metric.score(answer, question)
                ?? consensus.score(answer, question.answers)
            if question.metric == .yesNo { counts.add(answer, right: question.answers[0]) }
        }
        func mean(_ value: (EvaluationRecord) -> Int) -> Double {
            answered.reduce(0.0) { $0 + Double(value($1.1)) } / Double(answered.count)
        }
        self.init(
            setting: setting, task: task, metric: metrics.count == 1 ? metrics.first : nil,
            score: total / Double(answered.count), count: answered.count,
            failures: answered.count { $0.1.text == nil }, keptTokens: mean(\.keptTokens),
            visualTokens: mean(\.visualTokens), yesNo: metrics == [.yesNo] ? counts : nil)
    }

    /// The unweighted mean over tasks.
    fileprivate init(meanOf rows: [Self]) {
        func mean(_ value: (Self) -> Double) -> Double {
            rows.reduce(0) { $0 + value($1) } / Double(rows.count)
        }
        let metrics = Set(rows.map(\.metric))
        self.init(
            setting: rows[0].setting, task: nil,
            metric: metrics.count == 1 ? rows[0].metric : nil, score: mean(\.score),
            count: rows.reduce(0) { $0 + $1.count }, failures: rows.reduce(0) { $0 + $1.failures },
            keptTokens: mean(\.keptTokens),
            visualTokens: mean(\.visualTokens), yesNo: nil)
    }
}
