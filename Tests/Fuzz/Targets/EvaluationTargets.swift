// SPDX-License-Identifier: Apache-2.0
@testable import Evaluation

extension FuzzTarget {
    private static let lines = FuzzFile()

    /// A file of questions.
    static let questions = FuzzTarget("questions") { bytes in
        let questions = try EvaluationQuestion.read(path: lines.holding(bytes))
        precondition(!questions.isEmpty)
    }

    /// The files of the published set that the first byte names; a NUL separates them.
    static let publishedSet = FuzzTarget("published-set") { bytes in
        guard let first = bytes.first else { return }
        let set = publishedSets[Int(first) % publishedSets.count]
        let parts = bytes.dropFirst().split(
            separator: 0, maxSplits: files.count - 1, omittingEmptySubsequences: false)
        var paths = zip(files, parts).map { $0.holding(Array($1)) }
        if set.name == "mme" { paths = [subtasks.path] }
        for question in try set.layout(PublishedFiles(paths: paths, images: nil)) {
            precondition(!question.answers.isEmpty)
            precondition((0...1).contains(question.metric.score("A", question) ?? 0))
        }
    }

    private static let files = [FuzzFile(), FuzzFile()]
    private static let publishedSets = PublishedSet.all
    /// MME's folder: a subtask whose questions are in one file, and one with a file for each picture.
    private static let subtasks = {
        let folder = FuzzFolder()
        folder.link("existence.txt", to: files[0])
        folder.link("count/picture.txt", to: files[1])
        return folder
    }()

    /// A file of answers that an earlier run left: opening it a second time finds what the first time found.
    static let answers = FuzzTarget("answers") { bytes in
        let path = lines.holding(bytes)
        let found = try AnswerFile(path: path, run: "a run").before.count
        let again = try AnswerFile(path: path, run: "a run").before.count
        precondition(found == again)
    }
}
