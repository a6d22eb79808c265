// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Evaluation
import FileOutput
import Foundation
import TrimLLaVA

/// `trimllava eval`: how well a model answers, pruned and unpruned.
struct EvalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval",
        abstract: "Scores a model's answers, unpruned and at several budgets and selectors.",
        discussion: """
            QUESTIONS has one JSON object per line: image (a path beside the file, or a list of \
            them), question, answers, and optionally id, task and metric; or id, image and \
            LLaVA's conversations. With --answers every answer is kept as it comes, and the same \
            command goes on where it ended.
            """)

    @OptionGroup(title: "Model") var model: ModelOptions

    @Option(
        help: ArgumentHelp(
            "Budgets to evaluate, as for run; several with commas.", valueName: "budgets"))
    var keep = "192,128,64"

    @Option(
        help: ArgumentHelp(
            "Selectors to evaluate, or all: \(TokenSelectors.names.joined(separator: ", ")).",
            valueName: "names"))
    var selector = "\(TokenSelectors.names[0]),random"

    @Option(
        help: ArgumentHelp(
            "Positions to evaluate: auto, original, compact; several with commas.",
            valueName: "modes"))
    var positions = PruningOptions.Positions.automatic.rawValue

    @Option(help: "How trimtokenator measures a token's alignment with the question.")
    var alignment: AlignmentMetric = SelectorOptions().alignment

    @Option(help: ArgumentHelp("Where the selector random starts.", valueName: "number"))
    var selectorSeed: UInt64 = 0

    @Flag(help: "Let several pictures of a question share their budgets.")
    var shareBudget = false

    @Option(
        help: """
            How answers are scored: \
            \(EvaluationMetric.allCases.map(\.rawValue).joined(separator: ", ")). \
            (default: what suits the right answers)
            """)
    var metric: EvaluationMetric?

    @Option(help: ArgumentHelp("Ask only this many questions of each task.", valueName: "count"))
    var limit: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "What follows every question, such as \"Answer with one word.\"", valueName: "text"))
    var suffix = ""

    @Option(help: ArgumentHelp("The prompt template.", valueName: "name"))
    var template: ChatTemplate?

    @Option(
        name: [.customShort("n"), .long],
        help: ArgumentHelp("Most tokens of an answer.", valueName: "count"))
    var maxTokens = 64

    @Option(help: ArgumentHelp("Answers at the same time.", valueName: "count"))
    var parallel = 12

    @Option(
        help: ArgumentHelp("Keep answers in a file, and go on with it.", valueName: "file"),
        completion: .file())
    var answers: String?

    @Option(name: [.short, .long], help: "How results are printed.")
    var output: ResultTable.Format = .table

    @Option(
        help: ArgumentHelp("Draw scores over kept tokens as an SVG file.", valueName: "file"),
        completion: .file())
    var plot: String?

    @Argument(help: ArgumentHelp("A file of questions.", valueName: "questions"))
    var questions: String

    func validate() throws {
        guard maxTokens >= 1, (1...256).contains(parallel), limit.map({ $0 >= 1 }) ?? true else {
            throw ValidationError(
                "--max-tokens and --limit take numbers from 1, --parallel 1 to 256")
        }
        if let plot { try checkExtension(of: plot, is: "svg", "--plot") }
        _ = try settings()
    }

    func run() throws {
        try TextInput.checkArguments()
        let questions = try chosenQuestions()
        let settings = try settings()
        try checkFiles(questions)
        let file = try answers.map { try AnswerFile(path: $0, run: runName) }
        let llava = try model.load()
        let evaluation = try Evaluation(
            llava, questions, settings,
            options: Evaluation.Options(
                maxNewTokens: maxTokens, template: template, suffix: suffix, parallel: parallel,
                conditions: model.settings),
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
        if let plot { try EvalPlot(report.rows).write(to: plot) }
        let failures = EvalFailures(evaluation.records, settings: settings.count)
        failures.messages.forEach(StandardError.report)
        if !failures.messages.isEmpty { throw ExitCode(1) }
    }

    private func checkFiles(_ asked: [EvaluationQuestion]) throws {
        try checkingFiles { files in
            try files.reads(model)
            try files.reads(FilePath(questions))
            try files.reads(pictures: asked.flatMap(\.pictures))
            try files.writes(.standardStream)
            if let answers { try files.writes(FilePath(answers), as: "--answers") }
            if let plot { try files.writesAtEnd(plot, as: "--plot") }
        }
    }

    /// What answers must have in common to stand in one file.
    private var runName: String {
        let names = [model.model, model.mmproj, questions, "\(maxTokens) tokens"]
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
            budgets: try listed(keep) { try KeepBudget(parsing: $0) }, selectors: selectors,
            positions: modes,
            options: SelectorOptions(alignment: alignment, seed: selectorSeed),
            sharesBudget: shareBudget)
    }
}

extension EvaluationMetric: ExpressibleByArgument {}
