// SPDX-License-Identifier: Apache-2.0
import Foundation
import UserText

/// MME (arXiv 2306.13394): folders of subtasks, with two questions of yes and no for every picture.
///
/// Layout: `MME_Benchmark_release_version` of BradyFU/Awesome-Multimodal-Large-Language-Models, where a subtask has
/// `NAME.txt` beside `NAME.png`, or the folders `questions_answers_YN` and `images`; or the folder `Your_Results` of its
/// `eval_tool`, where a subtask is a file with the picture, the question and the answer in each line. Prompt: LLaVA's
/// `llava_mme.jsonl` and lmms-eval's task `mme`.
enum MME {
    /// The sums that papers print.
    static let sums: [EvaluationTotal.Part] = [
        .init(
            name: "perception",
            tasks: [
                "existence", "count", "position", "color", "posters", "celebrity", "scene",
                "landmark", "artwork", "OCR",
            ]),
        .init(
            name: "cognition",
            tasks: [
                "commonsense_reasoning", "numerical_calculation", "text_translation",
                "code_reasoning",
            ]),
    ]

    static func questions(_ files: PublishedFiles) throws(EvaluationError) -> [EvaluationQuestion] {
        let folder = files.paths[0]
        var questions: [EvaluationQuestion] = []
        for subtask in sums.flatMap(\.tasks) {
            let inside = "\(folder)/\(subtask)"
            if isFolder(inside) {
                questions += try self.questions(inFolder: inside, subtask, files)
            } else if FileManager.default.fileExists(atPath: inside + ".txt") {
                questions += try self.questions(inFile: inside + ".txt", subtask, files)
            }
        }
        guard !questions.isEmpty else {
            throw .badEntry(
                path: folder, place: "",
                expected: "a folder with the folder or the file of a subtask, such as existence")
        }
        return questions
    }

    /// A subtask with a file of two questions for each picture.
    private static func questions(
        inFolder folder: String, _ subtask: String, _ files: PublishedFiles
    ) throws(EvaluationError) -> [EvaluationQuestion] {
        let inner = folder + "/questions_answers_YN"
        let texts = isFolder(inner) ? inner : folder
        let pictures = pictureFolder(of: subtask, files.images ?? files.paths[0])
        var questions: [EvaluationQuestion] = []
        let names = (try? FileManager.default.contentsOfDirectory(atPath: texts)) ?? []
        for name in names.sorted() where name.hasSuffix(".txt") {
            let path = "\(texts)/\(name)"
            let stem = String(name.dropLast(4))
            let picture = pictureName(stem, in: pictures)
            let lines = try fields(path, count: 2, expected: "a question, a tab and the answer")
            guard lines.count == 2 else {
                throw .badEntry(path: path, place: "", expected: "2 lines, found \(lines.count)")
            }
            for (line, fields) in lines {
                questions.append(
                    try question(
                        subtask, "\(pictures)/\(picture)", picture, fields[0], fields[1], path, line
                    ))
            }
        }
        return questions
    }

    /// A subtask whose questions are in one file.
    private static func questions(
        inFile path: String, _ subtask: String, _ files: PublishedFiles
    ) throws(EvaluationError) -> [EvaluationQuestion] {
        let pictures = pictureFolder(of: subtask, files.images ?? files.paths[0])
        var questions: [EvaluationQuestion] = []
        for (line, fields) in try fields(
            path, count: 3, expected: "a picture, a question and the answer between tabs")
        {
            questions.append(
                try question(
                    subtask, "\(pictures)/\(fields[0])", fields[0], fields[1], fields[2], path, line
                ))
        }
        for (picture, asked) in Dictionary(grouping: questions, by: \.unit) where asked.count != 2 {
            throw .badEntry(
                path: path, place: picture ?? "", expected: "2 questions, found \(asked.count)")
        }
        return questions
    }

    private static func question(
        _ subtask: String, _ picture: String, _ name: String, _ question: String, _ answer: String,
        _ path: String, _ line: Int
    ) throws(EvaluationError) -> EvaluationQuestion {
        let right = answer.trimmingCharacters(in: .whitespaces).lowercased()
        guard right == "yes" || right == "no" else {
            throw .badEntry(path: path, place: "line \(line)", expected: "the answer Yes or No")
        }
        let text = question.trimmingCharacters(in: .whitespaces)
            .replacingOccurrences(of: " Please answer yes or no.", with: "")
        return EvaluationQuestion(
            id: "\(subtask)/\(name)/\(line)", pictures: [.file(picture)], question: text,
            suffix: PublishedPrompt.shortAnswer, answers: [right], unit: "\(subtask)/\(name)",
            task: subtask, metric: .mme)
    }

    /// The lines of a file, cut at tabs.
    private static func fields(
        _ path: String, count: Int, expected: String
    ) throws(EvaluationError) -> [(line: Int, fields: [String])] {
        let text: String
        do {
            text = try UserText.text(at: path.utf8)
        } catch {
            throw .text(error)
        }
        var lines: [(line: Int, fields: [String])] = []
        for (index, line) in UserText.lines(of: text).enumerated()
        where !line.allSatisfy(\.isWhitespace) {
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
            guard fields.count == count else {
                throw .badEntry(path: path, place: "line \(index + 1)", expected: expected)
            }
            lines.append((index + 1, fields.map(String.init)))
        }
        return lines
    }

    private static func pictureFolder(of subtask: String, _ folder: String) -> String {
        let inner = "\(folder)/\(subtask)/images"
        return isFolder(inner) ? inner : "\(folder)/\(subtask)"
    }

    /// The name of the picture that there is; the set has two formats.
    private static func pictureName(_ stem: String, in folder: String) -> String {
        let names = ["jpg", "png"].map { "\(stem).\($0)" }
        return names.first { FileManager.default.fileExists(atPath: "\(folder)/\($0)") } ?? names[0]
    }

    private static func isFolder(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
            && isFolder.boolValue
    }
}
