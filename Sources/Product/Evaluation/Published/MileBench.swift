// SPDX-License-Identifier: Apache-2.0

/// MileBench (arXiv 2404.18532): questions about several pictures, a file for each of its data sets.
///
/// Layout, prompt and metrics: `utils.py`, `evaluate.py` and the worker of LLaVA in MileBench/MileBench. Contexts that are
/// longer than the model's are not cut: such questions fail.
enum MileBench {
    private struct DataSet: Decodable {
        struct Description: Decodable {
            let task_instruction: [String]
            let question_type: String
        }
        struct Sample: Decodable {
            let sample_id: Label
            let task_instruction_id: Label
            let task_instance: Instance
            let response: Label
        }
        struct Instance: Decodable {
            let context: String
            let images_path: [String]
            let choice_list: [Label]?
        }
        let meta_data: Description
        let data: [Sample]
    }

    static func questions(_ files: PublishedFiles) throws(EvaluationError) -> [EvaluationQuestion] {
        var questions: [EvaluationQuestion] = []
        for path in files.paths {
            let set = try PublishedJSON.value(DataSet.self, at: path)
            let name = PublishedFiles.stem(path)
            let metric = try metric(of: name, set.meta_data.question_type, path)
            let folder = files.pictureFolder("images", beside: path)
            for (index, sample) in set.data.enumerated() {
                let reader = SampleReader(path: path, place: "data[\(index)]", name: name)
                questions.append(
                    EvaluationQuestion(
                        id: "\(name)/\(sample.sample_id.text)",
                        pictures: sample.task_instance.images_path.map {
                            .file(folder + "/" + $0)
                        },
                        question: try reader.prompt(sample, set.meta_data.task_instruction),
                        answers: [try reader.answer(sample, metric)],
                        choices: sample.task_instance.choice_list?.map(\.text) ?? [], task: name,
                        metric: metric))
            }
        }
        return questions
    }

    /// The metric that MileBench chooses by a data set's name and type.
    private static func metric(
        of name: String, _ type: String, _ path: String
    ) throws(EvaluationError) -> EvaluationMetric {
        if name.contains("NeedleInAHaystack") { return .mileBenchWord }
        if name.contains("MMCoQA") { return .mileBenchPart }
        switch type {
        case "open-ended": return .rougeL
        case "multi-choice": return .mileBenchChoice
        default:
            throw .badEntry(
                path: path, place: "meta_data.question_type",
                expected: "\"open-ended\" or \"multi-choice\"")
        }
    }

    /// Makes a question of a sample.
    private struct SampleReader {
        let path: String
        let place: String
        let name: String

        private func bad(_ field: String, _ expected: String) -> EvaluationError {
            .badEntry(path: path, place: "\(place).\(field)", expected: expected)
        }

        /// The instruction, the context and the choices, with a mark for each picture.
        func prompt(
            _ sample: DataSet.Sample, _ instructions: [String]
        ) throws(EvaluationError) -> String {
            guard let index = Int(sample.task_instruction_id.text),
                instructions.indices.contains(index)
            else {
                throw bad(
                    "task_instruction_id", "the number of one of \(instructions.count) instructions"
                )
            }
            var context = sample.task_instance.context
            if let choices = sample.task_instance.choice_list?.map(\.text) {
                // The published code leaves the letters out where there are too many.
                let lines =
                    name == "GPR1200"
                    ? choices.map { "\n" + $0 }.joined() : PublishedPrompt.lines(of: choices)
                context += "\nChoice list: \(lines)\nYour answer is: "
            }
            let marked = try marked(context, pictures: sample.task_instance.images_path.count)
            return "\(instructions[index])\n\(marked)"
                .replacing("<image><image>", with: "<image>\n<image>\n")
        }

        /// Replaces `{image#1}` and `{table#1}`; a picture without one comes first.
        private func marked(
            _ context: String, pictures: Int
        ) throws(EvaluationError) -> String {
            let parts = context.split(
                separator: /\{(image|table)#[0-9]+\}/, omittingEmptySubsequences: false)
            guard (pictures - 1...pictures).contains(parts.count - 1) else {
                throw bad(
                    "task_instance.context",
                    "{image#1} to {image#\(pictures)}, found \(parts.count - 1) marks")
            }
            let text = parts.joined(separator: "<image>")
            return parts.count - 1 < pictures ? "<image>" + text : text
        }

        /// The right answer.
        func answer(
            _ sample: DataSet.Sample, _ metric: EvaluationMetric
        ) throws(EvaluationError) -> String {
            let answer = sample.response.text
            guard !mileBenchAnswer(answer).isEmpty else { throw bad("response", "a text") }
            guard metric == .mileBenchChoice else { return answer }
            guard let choices = sample.task_instance.choice_list?.map(\.text) else {
                throw bad("task_instance", "an object with \"choice_list\"")
            }
            guard choices.map(mileBenchAnswer).contains(mileBenchAnswer(answer)) else {
                throw bad("response", "one of the choices")
            }
            return answer
        }
    }
}
