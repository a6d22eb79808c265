// SPDX-License-Identifier: Apache-2.0
import Evaluation
import Foundation

/// The results of `trimllava eval`, one row per setting and task.
struct EvalReport {
    struct Row: Encodable {
        let setting: String
        /// The task, or the name of a sum of tasks; nil for the mean or the sum over all.
        let task: String?
        let metric: String?
        /// 0 to 100, for CIDEr 0 to 1000, for MME 0 to 200 and sums of that.
        let score: Double
        /// MME's and MMBench's share of right answers.
        let accuracy: Double?
        /// Their share of pictures or questions all of whose answers are right; MME's `acc+`.
        let accuracyPlus: Double?
        /// The score in per cent of the unpruned model's.
        let retained: Double?
        /// Where that lies in 95 of 100 resamples of the questions.
        let retainedLow: Double?
        let retainedHigh: Double?
        let questions: Int
        let failed: Int
        // Means over the questions.
        let visualTokens: Double
        let keptTokens: Double
        let precision: Double?
        let recall: Double?
        let f1: Double?
        let yesShare: Double?
    }

    let rows: [Row]
    /// What the table calls the row of all tasks.
    private let total: String

    /// - Parameter total: what that row is.
    init(_ summary: EvaluationSummary, total: EvaluationTotal = .meanOfTasks) {
        switch total {
        case .meanOfTasks: self.total = "mean"
        case .allQuestions: self.total = "all"
        case .sums: self.total = "sum"
        }
        func percent(_ value: Double) -> Double { (value * 10_000).rounded() / 100 }
        var unpruned: [String?: Double] = [:]
        for row in summary.rows where row.setting == summary.rows.first?.setting {
            unpruned[row.task] = row.score
        }
        rows = summary.rows.map { row in
            let base = unpruned[row.task] ?? 0
            return Row(
                setting: row.setting, task: row.task, metric: row.metric?.rawValue,
                score: percent(row.score), accuracy: row.accuracy.map(percent),
                accuracyPlus: row.wholeUnits.map(percent),
                retained: base > 0 ? percent(row.score / base) : nil,
                retainedLow: row.retained.map { percent($0.lowerBound) },
                retainedHigh: row.retained.map { percent($0.upperBound) },
                questions: row.count, failed: row.failures,
                visualTokens: (row.visualTokens * 10).rounded() / 10,
                keptTokens: (row.keptTokens * 10).rounded() / 10,
                precision: row.yesNo.map { percent($0.precision) },
                recall: row.yesNo.map { percent($0.recall) }, f1: row.yesNo.map { percent($0.f1) },
                yesShare: row.yesNo.map { percent($0.yesShare) })
        }
    }

    private typealias Column = (heading: String, field: String, text: @Sendable (Row) -> String)

    private static let columns: [Column] = [
        ("setting", "setting", { $0.setting }), ("task", "task", { $0.task ?? "" }),
        ("metric", "metric", { $0.metric ?? "" }),
        ("visual tokens", "visual_tokens", { text($0.visualTokens) }),
        ("kept", "kept_tokens", { text($0.keptTokens) }),
        ("score", "score", { text($0.score) }),
        ("retained %", "retained", { text($0.retained) }),
        ("from", "retained_low", { text($0.retainedLow) }),
        ("to", "retained_high", { text($0.retainedHigh) }),
        ("questions", "questions", { "\($0.questions)" }),
        ("failed", "failed", { "\($0.failed)" }),
    ]

    /// For yes-or-no questions.
    private static let yesNoColumns: [Column] = [
        ("precision", "precision", { text($0.precision) }),
        ("recall", "recall", { text($0.recall) }), ("F1", "f1", { text($0.f1) }),
        ("yes %", "yes_share", { text($0.yesShare) }),
    ]

    /// For questions that are scored together.
    private static let unitColumns: [Column] = [
        ("acc", "accuracy", { text($0.accuracy) }),
        ("acc+", "accuracy_plus", { text($0.accuracyPlus) }),
    ]

    private static func text(_ value: Double?) -> String {
        value.map { String(format: "%.1f", $0) } ?? ""
    }

    /// The rows as text.
    var table: ResultTable {
        let hasYesNo = rows.contains { $0.f1 != nil }
        let hasUnits = rows.contains { $0.accuracyPlus != nil }
        let columns =
            Self.columns + (hasYesNo ? Self.yesNoColumns : []) + (hasUnits ? Self.unitColumns : [])
        return ResultTable(
            columns: columns.map { .init(heading: $0.heading, field: $0.field) },
            cells: rows.map { row in
                columns.map { $0.field == "task" ? row.task ?? total : $0.text(row) }
            }, wordColumns: 3)
    }
}

/// The questions that could not be answered.
struct EvalFailures {
    /// The most failures that are printed.
    static let printed = 20

    /// A sentence for each failure, and one that counts the rest.
    let messages: [String]

    /// - Parameter settings: the number of settings of every question.
    init(_ records: [EvaluationRecord], settings: Int) {
        var order: [[String]] = []
        var settingsOf: [[String]: [String]] = [:]
        for record in records {
            guard let error = record.error else { continue }
            let failure = [record.id, error]
            if settingsOf[failure] == nil { order.append(failure) }
            settingsOf[failure, default: []].append(record.setting)
        }
        let all = order.map { failure in
            let names = settingsOf[failure] ?? []
            let place = names.count == settings ? "" : " (\(names.joined(separator: ", ")))"
            return "question \(failure[0])\(place): \(failure[1])"
        }
        let rest = all.count - Self.printed
        messages = all.prefix(Self.printed) + (rest > 0 ? ["\(rest) more questions failed"] : [])
    }
}
