// SPDX-License-Identifier: Apache-2.0

/// POPE (arXiv 2305.10355): lines of JSON, one file for each way of choosing objects.
///
/// Layout: RUCAIBox/POPE, `output/coco/coco_pope_random.json` and its neighbours. Prompt: LLaVA's `llava_pope_test.jsonl`
/// and lmms-eval's task `pope`.
enum POPE {
    private struct Entry: Decodable {
        let question_id: Label
        let image: String
        let text: String
        let label: String
    }

    static func questions(_ files: PublishedFiles) throws(EvaluationError) -> [EvaluationQuestion] {
        var questions: [EvaluationQuestion] = []
        for path in files.paths {
            let folder = files.pictureFolder("val2014", beside: path)
            let task = PublishedFiles.stem(path)
            for (line, entry) in try PublishedJSON.lines(Entry.self, at: path) {
                guard entry.label == "yes" || entry.label == "no" else {
                    throw .badEntry(
                        path: path, place: "line \(line), label", expected: "\"yes\" or \"no\"")
                }
                questions.append(
                    EvaluationQuestion(
                        id: "\(task)/\(entry.question_id.text)",
                        pictures: [.file(folder + "/" + entry.image)], question: entry.text,
                        suffix: PublishedPrompt.shortAnswer, answers: [entry.label], task: task,
                        metric: .pope))
            }
        }
        return questions
    }
}
