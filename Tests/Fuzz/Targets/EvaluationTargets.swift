// SPDX-License-Identifier: Apache-2.0
import Evaluation

extension FuzzTarget {
    private static let lines = FuzzFile()

    /// A file of questions.
    static let questions = FuzzTarget("questions") { bytes in
        let questions = try EvaluationQuestion.read(path: lines.holding(bytes))
        precondition(!questions.isEmpty)
    }

    /// A file of answers that an earlier run left: opening it a second time finds what the first time found.
    static let answers = FuzzTarget("answers") { bytes in
        let path = lines.holding(bytes)
        let found = try AnswerFile(path: path, run: "a run").before.count
        let again = try AnswerFile(path: path, run: "a run").before.count
        precondition(found == again)
    }
}
