// SPDX-License-Identifier: Apache-2.0
import Foundation
import UserText

/// A question about one or more pictures, and its right answers.
public struct EvaluationQuestion: Sendable, Equatable {
    /// The question's `id` or the number of its line.
    public let id: String
    /// The pictures.
    public let pictures: [EvaluationPicture]
    /// The question; `<image>` in it places a picture.
    public let question: String
    /// What follows the question in the prompt, such as the wanted form of the answer.
    ///
    /// Selectors that look at the question do not see it.
    public let suffix: String
    /// The right answers, from one or many people.
    public let answers: [String]
    /// The texts of a multiple choice, A first, for metrics that look for them in the answer.
    public let choices: [String]
    /// What questions have in common that are scored together, such as a picture; nil for a question on its own.
    public let unit: String?
    /// The group of questions that it belongs to.
    public let task: String
    /// The metric for its answer.
    public let metric: EvaluationMetric

    /// A question.
    public init(
        id: String, pictures: [EvaluationPicture], question: String, suffix: String = "",
        answers: [String], choices: [String] = [], unit: String? = nil, task: String,
        metric: EvaluationMetric
    ) {
        self.id = id
        self.pictures = pictures
        self.question = question
        self.suffix = suffix
        self.answers = answers
        self.choices = choices
        self.unit = unit
        self.task = task
        self.metric = metric
    }

    /// Reads questions, one JSON object per line.
    ///
    /// A line has either `question` with `answer` or `answers`, or LLaVA's `conversations`, of which every pair of
    /// turns becomes a question. `image` (a path or a list of paths), `id`, `task` and `metric` are optional.
    ///
    /// - Parameter images: the folder that paths of pictures are relative to; nil for that of the file.
    /// - Throws: `EvaluationError`.
    public static func read(
        path: String, images: String? = nil, metric: EvaluationMetric? = nil
    ) throws(EvaluationError) -> [EvaluationQuestion] {
        let text: String
        do {
            text = try UserText.text(at: path.utf8, limit: UserText.listLimit)
        } catch {
            throw .text(error)
        }
        let folder =
            images.map { URL(fileURLWithPath: $0, isDirectory: true) }
            ?? URL(fileURLWithPath: path).deletingLastPathComponent()
        var questions: [EvaluationQuestion] = []
        var lines: [String: Int] = [:]
        for (index, line) in UserText.lines(of: text).enumerated()
        where !line.allSatisfy(\.isWhitespace) {
            do {
                let entry = try JSONDecoder().decode(QuestionLine.self, from: Data(line.utf8))
                for question in try entry.questions(
                    number: index + 1, in: folder, metric: metric)
                {
                    if let earlier = lines.updateValue(index + 1, forKey: question.id) {
                        throw EvaluationError.sameID(
                            path: path, id: question.id, line: index + 1, earlierLine: earlier)
                    }
                    questions.append(question)
                }
            } catch let error as EvaluationError {
                throw error
            } catch let problem as QuestionLine.Problem {
                throw .badLine(path: path, line: index + 1, problem: problem.text)
            } catch {
                throw .badLine(
                    path: path, line: index + 1, problem: "expected a JSON object with a question")
            }
        }
        guard !questions.isEmpty else { throw .noQuestions(path: path) }
        return questions
    }
}

/// A line of a file of questions.
private struct QuestionLine: Decodable {
    struct Problem: Error { let text: String }

    /// One text, or several.
    struct Texts: Decodable {
        let texts: [String]

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let text = try? container.decode(String.self) {
                texts = [text]
            } else if let number = try? container.decode(Int.self) {
                texts = ["\(number)"]
            } else {
                texts = try container.decode([Texts].self).flatMap(\.texts)
            }
        }
    }

    struct Turn: Decodable {
        let from: String
        let value: String
    }

    let id: Texts?
    let image: Texts?
    let question: String?
    let answer: Texts?
    let answers: Texts?
    let task: String?
    let metric: EvaluationMetric?
    let conversations: [Turn]?

    func questions(
        number: Int, in folder: URL, metric wanted: EvaluationMetric?
    ) throws -> [EvaluationQuestion] {
        let name = id?.texts.first ?? "\(number)"
        let pictures = (image?.texts ?? []).map {
            EvaluationPicture.file(URL(fileURLWithPath: $0, relativeTo: folder).path)
        }
        return try pairs().enumerated().map { index, pair in
            guard !pair.answers.isEmpty else { throw Problem(text: "the question has no answer") }
            return EvaluationQuestion(
                id: index == 0 ? name : "\(name)/\(index + 1)", pictures: pictures,
                question: pair.question, answers: pair.answers, task: task ?? "all",
                metric: wanted ?? metric
                    ?? EvaluationMetric(suiting: pair.answers, to: pair.question, task: task))
        }
    }

    private func pairs() throws -> [(question: String, answers: [String])] {
        if let question {
            guard let answers = answers ?? answer else {
                throw Problem(text: "a question needs \"answers\" or \"answer\"")
            }
            return [(question, answers.texts)]
        }
        guard let conversations, conversations.count >= 2 else {
            throw Problem(
                text: "expected \"question\" with \"answers\", or \"conversations\" of two turns")
        }
        return try stride(from: 0, to: conversations.count - 1, by: 2).map { index in
            let (asked, told) = (conversations[index], conversations[index + 1])
            guard asked.from == "human", told.from == "gpt" else {
                throw Problem(text: "\"conversations\" must alternate between human and gpt")
            }
            // Every pair of turns gets the pictures; in LLaVA's format only the first turn has the marker.
            let question = asked.value.replacingOccurrences(of: "<image>", with: "")
            return (question.trimmingCharacters(in: .whitespacesAndNewlines), [told.value])
        }
    }
}
