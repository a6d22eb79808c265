// SPDX-License-Identifier: Apache-2.0

/// GQA (arXiv 1902.09506): an object of questions by their numbers.
///
/// Layout: `testdev_balanced_questions.json` of the official download. Prompt: LLaVA's `llava_gqa_testdev_balanced.jsonl`
/// and lmms-eval's task `gqa`.
enum GQA {
    private struct Entry: Decodable {
        let imageId: Label
        let question: String
        let answer: String
    }

    static func questions(_ files: PublishedFiles) throws(EvaluationError) -> [EvaluationQuestion] {
        let entries = try PublishedJSON.value([String: Entry].self, at: files.paths[0])
        let folder = files.pictureFolder("images", beside: files.paths[0])
        return entries.sorted { $0.key < $1.key }.map { id, entry in
            EvaluationQuestion(
                id: id, pictures: [.file("\(folder)/\(entry.imageId.text).jpg")],
                question: entry.question, suffix: PublishedPrompt.shortAnswer,
                answers: [entry.answer], task: "gqa", metric: .gqa)
        }
    }
}
