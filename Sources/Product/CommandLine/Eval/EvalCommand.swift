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
            conversations work too. --answers saves every answer as it comes; repeat the command to \
            continue an interrupted evaluation.
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Safety") var sandbox: SandboxOptions

    @Option(
        help: ArgumentHelp(
            "Budgets to evaluate, separated by commas; see run --help.", valueName: "budgets"))
    var keep = "192,128,64"

    @Option(
        help: ArgumentHelp(
            "Selectors to evaluate, separated by commas, or all: \(TokenSelectors.names.joined(separator: ", ")).",
            valueName: "names"))
    var selector = "\(TokenSelectors.names[0]),random"

    @Option(
        help: ArgumentHelp(
            "Positions to evaluate, separated by commas: auto, original, compact.",
            valueName: "modes"))
    var positions = PruningOptions.Positions.automatic.rawValue

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

    @Option(
        help: """
            How to score answers: \
            \(EvaluationMetric.allCases.map(\.rawValue).joined(separator: ", ")). \
            (default: by the form of the right answers)
            """)
    var metric: EvaluationMetric?

    @Option(
        help: ArgumentHelp(
            "Number of questions to ask of each task. (default: all)", valueName: "count"))
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
        help: ArgumentHelp("Maximum number of tokens in an answer.", valueName: "count"))
    var maxTokens = 64

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

    @Argument(help: ArgumentHelp("A file of questions (JSONL).", valueName: "questions"))
    var questions: String

    func validate() throws {
        guard maxTokens >= 1, (1...256).contains(parallel), limit.map({ $0 >= 1 }) ?? true else {
            throw ValidationError(
                "--max-tokens and --limit must be at least 1, and --parallel 1 to 256")
        }
        if let plot { try checkExtension(of: plot, is: "svg", "--plot") }
        _ = try settings()
    }

    func run() throws {
        try TextInput.checkArguments()
        let questions = try chosenQuestions()
        try sandbox.close(try checkFiles(questions), model)
        let file = try answers.map { try AnswerFile(path: $0, run: runName) }
        let llava = try model.load()
        let settings =
            try settings()
            + (fewerPixels ? EvaluationSetting.fewerPixels(beside: budgets(), for: llava) : [])
        let evaluation = try Evaluation(
            llava, questions, settings,
            options: Evaluation.Options(
                maxNewTokens: maxTokens, template: template, suffix: suffix, parallel: parallel,
                conditions: try model.settings()),
            file: file)
        let (progress, cancellation) = (ProgressLine(quiet: false), Cancellation())
        let interrupts = Interrupts()
        defer { progress.erase() }
        try interrupts.cancelling(cancellation) {
            try evaluation.run(cancellation: cancellation) {
                progress.show($0, of: $1, "answers")
            }
        }
        interrupts.stop()
        progress.erase()
        let report = EvalReport(EvaluationSummary(questions, settings, evaluation.records))
        try report.table.print(report.rows, as: output)
        if let plot { try EvalPlot(report.rows).svg.write(to: plot) }
        let failures = EvalFailures(evaluation.records, settings: settings.count)
        failures.messages.forEach(StandardError.report)
        if !failures.messages.isEmpty { throw ExitCode(1) }
    }

    private func checkFiles(_ asked: [EvaluationQuestion]) throws -> FileClaims {
        try checkingFiles { files in
            try files.reads(model)
            try files.reads(FilePath(questions))
            try files.reads(pictures: asked.flatMap(\.pictures))
            try files.writes(.standardStream)
            if let answers { try files.writes(FilePath(answers), as: "--answers") }
            if let plot { try files.writesAtEnd(plot, as: "--plot") }
            return files
        }
    }

    /// The name of the run: what the answers of one file share.
    private var runName: String {
        let names = [model.model, model.mmproj ?? "-", questions, "\(maxTokens) tokens"]
        return (names + (suffix.isEmpty ? [] : [suffix])).joined(separator: ", ")
    }

    private func chosenQuestions() throws -> [EvaluationQuestion] {
        let all = try EvaluationQuestion.read(path: questions, metric: metric)
        guard let limit else { return all }
        var counts: [String: Int] = [:]
        return all.filter { question in
            counts[question.task, default: 0] += 1
            return counts[question.task, default: 0] <= limit
        }
    }

    private func budgets() throws -> [KeepBudget] {
        try listed(keep) { try KeepBudget(parsing: $0) }
    }

    /// The unpruned model, and every selector.
    private func settings() throws -> [EvaluationSetting] {
        let selectors =
            selector == "all"
            ? TokenSelectors.names
            : try listed(selector) { try TokenSelectors.named($0).info.name }
        let modes = try listed(positions) { name in
            guard let mode = PruningOptions.Positions(rawValue: name) else {
                throw ValidationError("--positions takes auto, original and compact")
            }
            return mode
        }
        return EvaluationSetting.grid(
            budgets: try budgets(), selectors: selectors,
            positions: modes,
            options: SelectorOptions(alignment: alignment, seed: selectorSeed),
            sharesBudget: shareBudget)
    }
}

extension EvaluationMetric: ExpressibleByArgument {}
