// SPDX-License-Identifier: Apache-2.0

/// TextVQA (arXiv 1904.08920), with the OCR tokens of Rosetta in the prompt if their file is given.
///
/// Layout: `TextVQA_0.5.1_val.json` and `TextVQA_Rosetta_OCR_v0.2_val.json` of textvqa.org. Prompt: lmms-eval's task
/// `textvqa_val`, with its option `ocr` where there is a second file. LLaVA-1.5's figures are those with OCR tokens.
enum TextVQA {
    private struct Questions: Decodable {
        struct Entry: Decodable {
            let question_id: Label
            let image_id: String
            let question: String
            let answers: [String]
        }
        let data: [Entry]
    }

    private struct Readings: Decodable {
        struct Entry: Decodable {
            let image_id: String
            let ocr_tokens: [String]
        }
        let data: [Entry]
    }

    static func questions(_ files: PublishedFiles) throws(EvaluationError) -> [EvaluationQuestion] {
        let path = files.paths[0]
        let entries = try PublishedJSON.value(Questions.self, at: path).data
        let readings = try files.paths.dropFirst().first.map { path throws(EvaluationError) in
            let entries = try PublishedJSON.value(Readings.self, at: path).data
            return Dictionary(entries.map { ($0.image_id, $0.ocr_tokens) }) { first, _ in first }
        }
        let folder = files.pictureFolder("train_images", beside: path)
        var questions: [EvaluationQuestion] = []
        for (index, entry) in entries.enumerated() {
            try PeoplesAnswers.check(entry.answers.count, path, "data[\(index)].answers")
            var suffix = PublishedPrompt.shortAnswer
            if let readings {
                guard let tokens = readings[entry.image_id] else {
                    throw .badEntry(
                        path: files.paths[1], place: "data",
                        expected: "an entry with image_id \(entry.image_id)")
                }
                suffix = "\nReference OCR token: \(tokens.joined(separator: ", "))" + suffix
            }
            questions.append(
                EvaluationQuestion(
                    id: entry.question_id.text,
                    pictures: [.file("\(folder)/\(entry.image_id).jpg")],
                    question: PublishedPrompt.capitalized(entry.question), suffix: suffix,
                    answers: entry.answers, task: "textvqa", metric: .vqa))
        }
        return questions
    }
}

/// Answers of ten people to one question.
enum PeoplesAnswers {
    struct Answer: Decodable {
        let answer: String
    }

    /// Refuses another number of answers, which the VQA accuracy is not defined for.
    static func check(
        _ count: Int, _ path: String, _ place: String
    ) throws(EvaluationError) {
        guard count == 10 else {
            throw .badEntry(
                path: path, place: place, expected: "the answers of 10 people, found \(count)")
        }
    }
}
