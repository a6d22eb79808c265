// SPDX-License-Identifier: Apache-2.0
import Evaluation
import Foundation

/// The results of `trimllava eval`, one row per setting and task.
struct EvalReport {
    struct Row: Encodable {
        let setting: String
        /// Nil for the mean over tasks.
        let task: String?
        let metric: String?
        /// 0 to 100; with CIDEr 0 to 1000.
        let score: Double
        /// The score as a part of the unpruned model's, in per cent.
        let retained: Double?
        let count: Int
        let failures: Int
        let kept: Double
        let visual: Double
        let precision: Double?
        let recall: Double?
        let f1: Double?
        let yesShare: Double?
    }

    let rows: [Row]

    init(_ summary: EvaluationSummary) {
        func percent(_ value: Double) -> Double { (value * 10_000).rounded() / 100 }
        var unpruned: [String?: Double] = [:]
        for row in summary.rows where row.setting == summary.rows.first?.setting {
            unpruned[row.task] = row.score
        }
        rows = summary.rows.map { row in
            let base = unpruned[row.task] ?? 0
            return Row(
                setting: row.setting, task: row.task, metric: row.metric?.rawValue,
                score: percent(row.score), retained: base > 0 ? percent(row.score / base) : nil,
                count: row.count, failures: row.failures, kept: (row.kept * 10).rounded() / 10,
                visual: (row.visual * 10).rounded() / 10,
                precision: row.yesNo.map { percent($0.precision) },
                recall: row.yesNo.map { percent($0.recall) }, f1: row.yesNo.map { percent($0.f1) },
                yesShare: row.yesNo.map { percent($0.yesShare) })
        }
    }

    private var hasYesNo: Bool { rows.contains { $0.f1 != nil } }

    private var heading: [String] {
        ["setting", "task", "metric", "kept", "of", "score", "retained %", "questions", "failed"]
            + (hasYesNo ? ["precision", "recall", "F1", "yes %"] : [])
    }

    private var cells: [[String]] {
        func text(_ value: Double?) -> String { value.map { String(format: "%.1f", $0) } ?? "" }
        return rows.map { row in
            let counts = [row.precision, row.recall, row.f1, row.yesShare].map(text)
            return [
                row.setting, row.task ?? "mean", row.metric ?? "", text(row.kept),
                text(row.visual), text(row.score), text(row.retained), "\(row.count)",
                "\(row.failures)",
            ] + (hasYesNo ? counts : [])
        }
    }

    /// The rows as text.
    var table: ResultTable { ResultTable(heading: heading, cells: cells, wordColumns: 3) }
}
