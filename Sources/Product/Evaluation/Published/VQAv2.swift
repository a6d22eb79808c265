// SPDX-License-Identifier: Apache-2.0

/// VQAv2 (arXiv 1612.00837): questions and annotations in two files.
///
/// Layout: visualqa.org. Prompt and normalisation: lmms-eval's task `vqav2_val`. Tasks are the annotations' types of answers.
enum VQAv2 {
    private struct Questions: Decodable {
        struct Entry: Decodable {
            let image_id: Int
            let question: String
            let question_id: Int
        }
        let data_subtype: String
        let questions: [Entry]
    }

    private struct Annotations: Decodable {
        struct Entry: Decodable {
            let question_id: Int
            let answer_type: String
            let answers: [PeoplesAnswers.Answer]
        }
        let annotations: [Entry]
    }

    static func questions(_ files: PublishedFiles) throws(EvaluationError) -> [EvaluationQuestion] {
        let asked = try PublishedJSON.value(Questions.self, at: files.paths[0])
        let annotations = try PublishedJSON.value(Annotations.self, at: files.paths[1]).annotations
        var found: [Int: Annotations.Entry] = [:]
        for (index, annotation) in annotations.enumerated() {
            try PeoplesAnswers.check(
                annotation.answers.count, files.paths[1], "annotations[\(index)].answers")
            found[annotation.question_id] = annotation
        }
        let folder = files.pictureFolder(asked.data_subtype, beside: files.paths[0])
        var questions: [EvaluationQuestion] = []
        for entry in asked.questions {
            guard let annotation = found[entry.question_id] else {
                throw .badEntry(
                    path: files.paths[1], place: "annotations",
                    expected: "an entry with question_id \(entry.question_id)")
            }
            let number = String(entry.image_id)
            let zeros = String(repeating: "0", count: max(0, 12 - number.count))
            questions.append(
                EvaluationQuestion(
                    id: "\(entry.question_id)",
                    pictures: [.file("\(folder)/COCO_\(asked.data_subtype)_\(zeros)\(number).jpg")],
                    question: entry.question, suffix: PublishedPrompt.shortAnswer,
                    answers: annotation.answers.map { onOneLine($0.answer) },
                    task: annotation.answer_type, metric: .vqaV2))
        }
        return questions
    }
}
