// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Evaluation
import FileOutput
import Foundation
import TrimLLaVA

/// `trimllava eval`: scores a model's answers, pruned and unpruned.
struct EvalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval",
        abstract: "Scores a model's answers with and without pruning.",
        discussion: """
            Every line of QUESTIONS is a JSON object with image (a path relative to the file, or a list \
            of paths), question, answers and, optionally, id, task and metric. Lines with image and LLaVA's \
            conversations work too. With --set, the files of a published evaluation set are read as they were \
            published, with its prompts and its metric. --answers saves every answer as it comes; repeat the command \
            to continue an interrupted evaluation.
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Safety") var sandbox: SandboxOptions

    @Option(
        help: ArgumentHelp(
            "Budgets to evaluate, separated by commas; see run --help. (default: \(usualBudgets))",
            valueName: "budgets"))
    var keep: String?

    @Option(
        help: ArgumentHelp(
            """
            Selectors to evaluate, separated by commas, or all: \(TokenSelectors.names.joined(separator: ", ")). \
            (default: \(TokenSelectors.names[0]),random)
            """,
            valueName: "names"))
    var selector: String?

    @Option(
        help: ArgumentHelp(
            "Positions to evaluate, separated by commas: auto, original, compact.",
            valueName: "modes"))
    var positions = PruningOptions.Positions.automatic.rawValue

    @Option(
        help: ArgumentHelp(
            "What becomes of dropped tokens, separated by commas: \(TokenMerging.names).",
            valueName: "rules"))
    var merge = TokenMerging.none.rawValue

    @Option(help: "How trimtokenator measures alignment with the question.")
    var alignment: AlignmentMetric = SelectorOptions().alignment

    @Option(help: ArgumentHelp("Random seed of the selector random.", valueName: "number"))
    var selectorSeed: UInt64 = 0

    @Flag(
        inversion: .prefixedNo,
        help: """
            Also evaluate the unpruned model on smaller pictures, for models that can see fewer tiles or pixels.
            """)
    var fewerPixels = true

    @Flag(help: "Select among all pictures of a question together.")
    var shareBudget = false

    @Flag(
        help: """
            Measure what automatic budgets leave of the answers, and write it beside the text model, where all commands \
            find it.
            """)
    var calibrate = false

    @Option(
        help: ArgumentHelp(
            "Read a published evaluation set: \(PublishedSet.all.map(\.name).joined(separator: ", ")).",
            valueName: "name"))
    var set: PublishedSet?

    @Option(
        help: ArgumentHelp(
            "Folder with the pictures. (default: that of the questions, or the set's own name beside them)",
            valueName: "folder"),
        completion: .directory)
    var images: String?

    @Option(
        help: """
            How to score answers: \
            \(EvaluationMetric.allCases.map(\.rawValue).joined(separator: ", ")). \
            (default: by the form of the right answers)
            """)
    var metric: EvaluationMetric?

    @Option(
        help: ArgumentHelp(
            "Number of questions to ask of each task; those that are scored together count as one. (default: all)",
            valueName: "count"))
    var limit: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Text to add to every question, such as \"Answer with one word.\"", valueName: "text"))
    var suffix = ""

    @Option(help: ArgumentHelp("The prompt template.", valueName: "name"))
    var template: ChatTemplate?

    @Option(
        name: [.customShort("n"), .long],
        help: ArgumentHelp(
            "Maximum number of tokens in an answer. (default: 64, or the set's)",
            valueName: "count"))
    var maxTokens: Int?

    @Option(
        help: ArgumentHelp("Number of answers to generate at the same time.", valueName: "count"))
    var parallel = 12

    @Option(
        help: ArgumentHelp(
            "Save answers in a file, and continue from those that it has.", valueName: "file"),
        completion: .file())
    var answers: String?

    @Option(name: [.short, .long], help: "Output format.")
    var output: ResultTable.Format = .table

    @Option(
        help: ArgumentHelp("Plot scores over kept tokens as an SVG file.", valueName: "file"),
        completion: .file())
    var plot: String?

    @Argument(
        help: ArgumentHelp(
            "A file of questions (JSONL), or the files of the published set.",
            valueName: "questions"))
    var questions: [String]

    func validate() throws {
        guard maxTokens ?? 1 >= 1, (1...256).contains(parallel), limit ?? 1 >= 1 else {
            throw ValidationError(
                "--max-tokens and --limit must be at least 1, and --parallel 1 to 256")
        }
        guard set == nil || metric == nil else {
            throw ValidationError("--set has a metric of its own, expected no --metric")
        }
        guard set != nil || questions.count == 1 else {
            throw ValidationError("expected one file of questions, or --set for a published set")
        }
        if let set, !set.fileCount.contains(questions.count) {
            throw ValidationError("--set \(set.name) is read from \(set.files)")
        }
        if let set, set.hasPictures, images != nil {
            throw ValidationError(
                "--set \(set.name) has its pictures in its file, expected no --images")
        }
        if let plot { try checkExtension(of: plot, is: "svg", "--plot") }
        if calibrate, keep != nil {
            throw ValidationError("--calibrate has budgets of its own, expected no --keep")
        }
        _ = try settings()
    }

    func run() throws {
        try TextInput.checkArguments()
        let questions = try chosenQuestions()
        let calibration = calibrate ? try EvalCalibration(of: model, settings()) : nil
        try sandbox.close(try checkFiles(questions, calibration), model)
        let file = try answers.map { try AnswerFile(path: $0, run: runName) }
        let llava = try model.load(automaticRule: calibrate ? .drawnScenes : nil)
        let settings =
            try settings()
            + (fewerPixels ? EvaluationSetting.fewerPixels(beside: budgets(), for: llava) : [])
        let evaluation = try Evaluation(
            llava, questions, settings,
            options: Evaluation.Options(
                maxNewTokens: tokens, template: template, suffix: suffix, parallel: parallel,
                conditions: try model.settings() + conditions()),
            file: file)
        let (progress, cancellation) = (ProgressLine(quiet: false), Cancellation())
        let interrupts = Interrupts()
        defer { progress.erase() }
        var note = ManyTokensNote(ofWholePictures: llava)
        try interrupts.cancelling(cancellation) {
            let before = evaluation.records.count
            try evaluation.run(cancellation: cancellation) { done, all in
                if done > before, let text = evaluation.records.last.flatMap({ note?.text($0) }) {
                    progress.erase()
                    StandardError.report("note: \(text)")
                    note = nil
                }
                progress.show(done, of: all, "answers")
            }
        }
        interrupts.stop()
        progress.erase()
        let total = set?.total ?? .meanOfTasks
        let summary = EvaluationSummary(questions, settings, evaluation.records, total: total)
        let report = EvalReport(summary, total: total)
        try report.table.print(report.rows, as: output)
        if let plot { try EvalPlot(report.rows).svg.write(to: plot) }
        let failures = EvalFailures(evaluation.records, settings: settings.count)
        failures.messages.forEach(StandardError.report)
        if !failures.messages.isEmpty { throw ExitCode(1) }
        if let calibration {
            StandardError.report(try calibration.write(summary, questions.count))
        }
    }

    private func checkFiles(
        _ asked: [EvaluationQuestion], _ calibration: EvalCalibration?
    ) throws -> FileClaims {
        try checkingFiles { files in
            try files.reads(model, calibration: !calibrate)
            for path in questions { try files.reads(FilePath(path)) }
            try files.reads(pictures: asked.flatMap(\.pictures).compactMap(\.path))
            try files.writes(.standardStream)
            if let answers { try files.writes(FilePath(answers), as: "--answers") }
            if let plot { try files.writesAtEnd(plot, as: "--plot") }
            if let calibration { try files.writesAtEnd(calibration.path, as: "--calibrate") }
            return files
        }
    }

    /// The name of the run: what the answers of one file share.
    private var runName: String {
        let sets = set.map { [$0.name] } ?? []
        let names = [model.model, model.mmproj ?? "-"] + sets + questions + ["\(tokens) tokens"]
        return (names + (suffix.isEmpty ? [] : [suffix])).joined(separator: ", ")
    }

    /// The most tokens of an answer.
    private var tokens: Int { maxTokens ?? set?.answerTokens ?? 64 }

    private func chosenQuestions() throws -> [EvaluationQuestion] {
        let all =
            try set?.questions(questions, images: images)
            ?? EvaluationQuestion.read(path: questions[0], images: images, metric: metric)
        guard let limit else { return all }
        var units: [String: Set<String>] = [:]
        return all.filter { question in
            let unit = question.unit ?? question.id
            if units[question.task]?.contains(unit) == true { return true }
            guard units[question.task]?.count ?? 0 < limit else { return false }
            units[question.task, default: []].insert(unit)
            return true
        }
    }

    /// The budgets that are evaluated unless others are named.
    private static let usualBudgets = "192,128,64"

    private func budgets() throws -> [KeepBudget] {
        if calibrate { return EvalCalibration.budgets }
        return try listed(keep ?? Self.usualBudgets) { try KeepBudget(parsing: $0) }
    }

    /// What answers depend on beside the model's settings and those that are compared.
    private func conditions() throws -> [String] {
        let setting = calibrate ? "" : model.calibrationSetting(try budgets())
        return setting.isEmpty ? [] : [setting]
    }

    /// The unpruned model, and every selector.
    private func settings() throws -> [EvaluationSetting] {
        let usual = TokenSelectors.names[0] + (calibrate ? "" : ",random")
        let selectors =
            selector == "all"
            ? TokenSelectors.names
            : try listed(selector ?? usual) { try TokenSelectors.named($0).info.name }
        let modes = try listed(positions) { name in
            guard let mode = PruningOptions.Positions(rawValue: name) else {
                throw ValidationError("--positions takes auto, original and compact")
            }
            return mode
        }
        let merging = try listed(merge) { name in
            guard let rule = TokenMerging(rawValue: name) else {
                throw ValidationError("--merge takes \(TokenMerging.names)")
            }
            return rule
        }
        return EvaluationSetting.grid(
            budgets: try budgets(), selectors: selectors, positions: modes, merging: merging,
            options: SelectorOptions(alignment: alignment, seed: selectorSeed),
            sharesBudget: shareBudget)
    }
}

extension ManyTokensNote {
    /// The note about the pictures of a question, once it is answered.
    fileprivate func text(_ record: EvaluationRecord) -> String? {
        text("the pictures of question \(record.id) become", tokens: record.visualTokens)
    }
}

extension EvaluationMetric: ExpressibleByArgument {}

extension PublishedSet: ExpressibleByArgument {
    /// The set of that name.
    public init?(argument: String) {
        guard let set = Self.named(argument) else { return nil }
        self = set
    }

    /// The names, for messages and completion.
    public static var allValueStrings: [String] { all.map(\.name) }
}
