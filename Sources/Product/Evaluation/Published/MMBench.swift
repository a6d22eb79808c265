// SPDX-License-Identifier: Apache-2.0

/// MMBench (arXiv 2307.06281): a table with pictures in base64.
///
/// Layout: `mmbench_dev_20230712.tsv` and the tables of open-compass/VLMEvalKit, where the cell of a picture may be the index
/// of another row. Prompt: LLaVA's `model_vqa_mmbench.py` with `--single-pred-prompt`. Tasks are the categories.
///
/// The table has every question several times, with its choices rotated. Rows with an index of a million and more are such
/// copies of the row with the rest as index. In the circular evaluation a question is right if it is right in all of them.
enum MMBench {
    private static let copies = 1_000_000
    /// A cell of a picture that is no longer than this is an index, as in VLMEvalKit.
    private static let longestIndex = 64

    /// Reads the questions.
    ///
    /// - Parameter isCircular: whether copies are asked too.
    static func questions(
        _ files: PublishedFiles, isCircular: Bool
    ) throws(EvaluationError) -> [EvaluationQuestion] {
        let table = try PublishedTable(
            path: files.paths[0], required: ["index", "question", "A", "B", "answer", "image"])
        var rows: [Int: PublishedTable.Row] = [:]
        for row in table.rows { rows[try index(of: row, table)] = row }
        var questions: [EvaluationQuestion] = []
        for row in table.rows {
            let index = try index(of: row, table)
            if !isCircular, index >= copies { continue }
            questions.append(try question(row, index, table, rows))
        }
        return questions
    }

    private static func index(
        of row: PublishedTable.Row, _ table: PublishedTable
    ) throws(EvaluationError) -> Int {
        guard let index = Int(try table.required(row, "index")), index >= 0 else {
            throw table.refusal(row, "index", "a whole number")
        }
        return index
    }

    private static func question(
        _ row: PublishedTable.Row, _ index: Int, _ table: PublishedTable,
        _ rows: [Int: PublishedTable.Row]
    ) throws(EvaluationError) -> EvaluationQuestion {
        var choices: [String] = []
        for letter in ["A", "B", "C", "D"] {
            guard let choice = try table.text(row, letter) else { break }
            choices.append(choice)
        }
        let answer = try table.required(row, "answer")
        guard choices.indices.map(choiceLetter).contains(answer) else {
            throw table.refusal(row, "answer", "the letter of one of its \(choices.count) choices")
        }
        let hint = try table.text(row, "hint").map { $0 + "\n" } ?? ""
        return EvaluationQuestion(
            id: "\(index)", pictures: [try picture(row, table, rows)],
            question: hint + (try table.required(row, "question"))
                + PublishedPrompt.lines(of: choices), suffix: PublishedPrompt.letter,
            answers: [answer], choices: choices, unit: "\(index % copies)",
            task: try table.text(row, "category") ?? "mmbench", metric: .mmBench)
    }

    private static func picture(
        _ row: PublishedTable.Row, _ table: PublishedTable, _ rows: [Int: PublishedTable.Row]
    ) throws(EvaluationError) -> EvaluationPicture {
        var row = row
        if table.range(row, "image").count <= longestIndex {
            guard let index = Int(try table.required(row, "image")), let other = rows[index],
                table.range(other, "image").count > longestIndex
            else {
                throw table.refusal(
                    row, "image", "a picture in base64, or the index of a row with one")
            }
            row = other
        }
        return .embedded(
            EmbeddedPicture(path: table.path, line: row.line, range: table.range(row, "image")))
    }
}
