// SPDX-License-Identifier: Apache-2.0

/// SEED-Bench (arXiv 2307.16125), its questions about pictures; those about videos are left out.
///
/// Layout: `SEED-Bench.json` of AILab-CVC/SEED-Bench. Prompt: LLaVA's and lmms-eval's task `seedbench`. Tasks are the types of
/// questions.
enum SEEDBench {
    private struct Questions: Decodable {
        let question_type: [String: Int]
        let questions: [Entry]
    }

    private struct Entry: Decodable {
        /// What only questions about pictures have in this form.
        let picture: PictureEntry?

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Keys.self)
            let isAboutPicture = try container.decode(String.self, forKey: .data_type) == "image"
            picture = isAboutPicture ? try PictureEntry(from: decoder) : nil
        }

        private enum Keys: String, CodingKey {
            case data_type
        }
    }

    private struct PictureEntry: Decodable {
        let question_id: Label
        let question: String
        let choice_a: Label
        let choice_b: Label
        let choice_c: Label
        let choice_d: Label
        let answer: String
        let data_id: String
        let question_type_id: Int

        var choices: [String] { [choice_a, choice_b, choice_c, choice_d].map(\.text) }
    }

    static func questions(_ files: PublishedFiles) throws(EvaluationError) -> [EvaluationQuestion] {
        let path = files.paths[0]
        let all = try PublishedJSON.value(Questions.self, at: path)
        let types = Dictionary(all.question_type.map { ($1, $0) }) { first, _ in first }
        let folder = files.pictureFolder("SEED-Bench-image", beside: path)
        var questions: [EvaluationQuestion] = []
        for (index, entry) in all.questions.enumerated() {
            guard let entry = entry.picture else { continue }
            let place = "questions[\(index)]"
            guard let type = types[entry.question_type_id] else {
                throw .badEntry(
                    path: path, place: "\(place).question_type_id",
                    expected: "a number in \"question_type\"")
            }
            guard ["A", "B", "C", "D"].contains(entry.answer) else {
                throw .badEntry(path: path, place: "\(place).answer", expected: "A, B, C or D")
            }
            questions.append(
                EvaluationQuestion(
                    id: entry.question_id.text, pictures: [.file(folder + "/" + entry.data_id)],
                    question: entry.question + PublishedPrompt.lines(of: entry.choices),
                    suffix: PublishedPrompt.letter, answers: [entry.answer],
                    choices: entry.choices, task: type, metric: .seedBench))
        }
        return questions
    }
}
