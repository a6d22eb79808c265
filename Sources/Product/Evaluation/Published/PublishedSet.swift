// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A published evaluation set: how its files are read, its questions asked and its answers scored.
public struct PublishedSet: Sendable {
    /// The name, as users type it.
    public let name: String
    /// The files, in the order in which they are given, for people.
    public let files: String
    /// How many files there are.
    public let fileCount: ClosedRange<Int>
    /// The most tokens of an answer, as published.
    public let answerTokens: Int
    /// Whether its files have the pictures, so that no folder does.
    public let hasPictures: Bool
    /// What is computed over its tasks.
    public let total: EvaluationTotal
    private let read: @Sendable (PublishedFiles) throws(EvaluationError) -> [EvaluationQuestion]

    private init(
        _ name: String, _ files: String, count fileCount: ClosedRange<Int> = 1...1,
        answerTokens: Int = 128, hasPictures: Bool = false,
        total: EvaluationTotal = .allQuestions,
        reading read:
            @escaping @Sendable (PublishedFiles) throws(EvaluationError) -> [EvaluationQuestion]
    ) {
        self.name = name
        self.files = files
        self.fileCount = fileCount
        self.answerTokens = answerTokens
        self.hasPictures = hasPictures
        self.total = total
        self.read = read
    }

    /// All sets.
    ///
    /// Answers have at most the 128 tokens of LLaVA's `model_vqa_loader.py`, those of MileBench its 512.
    public static let all: [PublishedSet] = [
        PublishedSet(
            "pope", "one or more of coco_pope_*.json", count: 1...64, total: .meanOfTasks,
            reading: POPE.questions),
        PublishedSet(
            "textvqa",
            "TextVQA_0.5.1_val.json and, for OCR tokens in the prompt, TextVQA_Rosetta_OCR_v0.2_val.json",
            count: 1...2, reading: TextVQA.questions),
        PublishedSet(
            "vqav2",
            "the questions and the annotations, v2_*_questions.json and v2_*_annotations.json",
            count: 2...2, reading: VQAv2.questions),
        PublishedSet("vizwiz", "val.json", reading: VizWiz.questions),
        PublishedSet("gqa", "testdev_balanced_questions.json", reading: GQA.questions),
        PublishedSet("scienceqa", "problems.json and pid_splits.json", count: 2...2) {
            files throws(EvaluationError) in try ScienceQA.questions(files, picturesOnly: false)
        },
        PublishedSet("scienceqa-img", "problems.json and pid_splits.json", count: 2...2) {
            files throws(EvaluationError) in try ScienceQA.questions(files, picturesOnly: true)
        },
        PublishedSet("seed-bench", "SEED-Bench.json", reading: SEEDBench.questions),
        PublishedSet("mmbench", "mmbench_dev_*.tsv", hasPictures: true) {
            files throws(EvaluationError) in try MMBench.questions(files, isCircular: true)
        },
        PublishedSet("mmbench-vanilla", "mmbench_dev_*.tsv", hasPictures: true) {
            files throws(EvaluationError) in try MMBench.questions(files, isCircular: false)
        },
        PublishedSet(
            "mme", "the folder of its subtasks, or that of eval_tool's Your_Results",
            total: .sums(MME.sums), reading: MME.questions),
        PublishedSet(
            "milebench", "one or more of DATASET.json", count: 1...64, answerTokens: 512,
            total: .meanOfTasks, reading: MileBench.questions),
    ]

    /// The set of that name.
    public static func named(_ name: String) -> PublishedSet? { all.first { $0.name == name } }

    /// Reads the questions.
    ///
    /// - Parameters:
    ///   - paths: the set's files, as `files` lists them.
    ///   - images: the folder with the pictures; nil for where the set has it beside its first file.
    /// - Throws: `EvaluationError`, also where no picture of the set exists.
    public func questions(
        _ paths: [String], images: String? = nil
    ) throws(EvaluationError) -> [EvaluationQuestion] {
        let questions = try layout(PublishedFiles(paths: paths, images: images))
        let pictures = questions.flatMap(\.pictures)
        let exists = pictures.contains { picture in
            picture.path.map { FileManager.default.fileExists(atPath: $0) } ?? true
        }
        guard pictures.isEmpty || exists else {
            throw .noPictures(count: questions.count, example: pictures[0].path ?? "")
        }
        return questions
    }

    /// Reads the questions without a look at the pictures.
    func layout(_ files: PublishedFiles) throws(EvaluationError) -> [EvaluationQuestion] {
        let paths = files.paths
        guard fileCount.contains(paths.count) else {
            throw .fileCount(set: name, expected: self.files, found: paths.count)
        }
        let questions = try read(files)
        guard !questions.isEmpty else { throw .noQuestions(path: paths[0]) }
        var ids: Set<String> = []
        for question in questions where !ids.insert(question.id).inserted {
            throw .badEntry(
                path: paths[0], place: "id \(question.id)",
                expected: "another id for every question")
        }
        return questions
    }
}

/// The files of a published set.
struct PublishedFiles {
    /// The paths, in the set's order.
    let paths: [String]
    /// The folder with the pictures, if the user names one.
    let images: String?

    /// The folder with the pictures of a file.
    ///
    /// - Parameter published: its name beside the file where the set is laid out as published.
    func pictureFolder(_ published: String, beside path: String) -> String {
        images
            ?? URL(fileURLWithPath: path).deletingLastPathComponent()
            .appendingPathComponent(published, isDirectory: true).path
    }

    /// A file's name without folder and extension.
    static func stem(_ path: String) -> String {
        URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
    }
}

/// What published prompts have in common.
enum PublishedPrompt {
    /// LLaVA's instruction for short answers (docs/Evaluation.md in haotian-liu/LLaVA).
    static let shortAnswer = "\nAnswer the question using a single word or phrase."
    /// LLaVA's instruction for multiple choices, from the same place.
    static let letter = "\nAnswer with the option's letter from the given choices directly."

    /// A line `A. TEXT` for each choice.
    static func lines(of choices: [String]) -> String {
        choices.enumerated().map { "\n\(choiceLetter($0)). \($1)" }.joined()
    }

    /// A text with a capital at its start alone, as Python's `capitalize` makes it.
    static func capitalized(_ text: String) -> String {
        text.prefix(1).uppercased() + text.dropFirst().lowercased()
    }
}
