// SPDX-License-Identifier: Apache-2.0
import Evaluation

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
