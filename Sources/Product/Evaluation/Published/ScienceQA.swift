// SPDX-License-Identifier: Apache-2.0

/// ScienceQA (arXiv 2209.09513), the split `test`: multiple choices, half of them without a picture.
///
/// Layout: `problems.json` and `pid_splits.json` of lupantech/ScienceQA, pictures in folders by number. Prompt: lmms-eval's
/// tasks `scienceqa` and `scienceqa_img`, which ask as LLaVA-1.5 does.
enum ScienceQA {
    private struct Problem: Decodable {
        let question: String
        let choices: [String]
        let answer: Int
        let hint: String
        let image: String?
    }

    private struct Splits: Decodable {
        let test: [Label]
    }

    /// Reads the questions.
    ///
    /// - Parameter picturesOnly: whether questions without a picture are left out.
    static func questions(
        _ files: PublishedFiles, picturesOnly: Bool
    ) throws(EvaluationError) -> [EvaluationQuestion] {
        let problems = try PublishedJSON.value([String: Problem].self, at: files.paths[0])
        let folder = files.pictureFolder("images/test", beside: files.paths[0])
        var questions: [EvaluationQuestion] = []
        for id in try PublishedJSON.value(Splits.self, at: files.paths[1]).test.map(\.text) {
            guard let problem = problems[id] else {
                throw .badEntry(
                    path: files.paths[0], place: "", expected: "an entry with the key \"\(id)\"")
            }
            guard problem.choices.indices.contains(problem.answer) else {
                throw .badEntry(
                    path: files.paths[0], place: "\(id).answer",
                    expected: "the number of one of \(problem.choices.count) choices, from 0")
            }
            if picturesOnly, problem.image == nil { continue }
            let context = problem.hint.isEmpty ? "" : "Context: \(problem.hint)\n"
            questions.append(
                EvaluationQuestion(
                    id: id, pictures: problem.image.map { [.file("\(folder)/\(id)/\($0)")] } ?? [],
                    question: context + problem.question
                        + PublishedPrompt.lines(of: problem.choices),
                    suffix: PublishedPrompt.letter, answers: [choiceLetter(problem.answer)],
                    choices: problem.choices,
                    task: problem.image == nil ? "without picture" : "with picture",
                    metric: .scienceQA))
        }
        return questions
    }
}
