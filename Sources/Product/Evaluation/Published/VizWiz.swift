// SPDX-License-Identifier: Apache-2.0

/// VizWiz-VQA (arXiv 1802.08218): pictures by blind people, some of whose questions cannot be answered.
///
/// Layout: `val.json` of vizwiz.org. Prompt: LLaVA's and lmms-eval's task `vizwiz_vqa_val`. Tasks are the types of answers;
/// one is `unanswerable`.
enum VizWiz {
    private struct Entry: Decodable {
        let image: String
        let question: String
        let answers: [PeoplesAnswers.Answer]
        let answer_type: String
    }

    private static let instruction =
        "\nWhen the provided information is insufficient, respond with 'Unanswerable'."
        + PublishedPrompt.shortAnswer

    static func questions(_ files: PublishedFiles) throws(EvaluationError) -> [EvaluationQuestion] {
        let path = files.paths[0]
        let folder = files.pictureFolder("val", beside: path)
        var questions: [EvaluationQuestion] = []
        for (index, entry) in try PublishedJSON.value([Entry].self, at: path).enumerated() {
            try PeoplesAnswers.check(entry.answers.count, path, "[\(index)].answers")
            questions.append(
                EvaluationQuestion(
                    id: entry.image, pictures: [.file(folder + "/" + entry.image)],
                    question: PublishedPrompt.capitalized(entry.question), suffix: instruction,
                    answers: entry.answers.map(\.answer), task: entry.answer_type, metric: .vqa))
        }
        return questions
    }
}
