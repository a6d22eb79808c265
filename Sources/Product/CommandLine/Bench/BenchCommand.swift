// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Evaluation
import Foundation
import TrimLLaVA

/// `trimllava bench`: what pruning saves, against the unpruned model in the same process.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measures the time and the memory that pruning saves.",
        discussion: """
            Every setting answers the same question about the same pictures. Each runs once to warm up \
            and then --repetitions times, in turn with the others. Times are medians. The spread (±) is \
            half the interquartile range of the time to the first token. The rows fewer-pixels are the unpruned \
            model on smaller pictures, about as large as each budget keeps of them.
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Safety") var sandbox: SandboxOptions

    @Option(
        name: [.short, .long], parsing: .unconditional,
        help: ArgumentHelp("The question.", valueName: "text"))
    var prompt = LLaVA.defaultQuestion

    @Option(help: ArgumentHelp("The prompt template.", valueName: "name"))
    var template: ChatTemplate?

    @Option(
        help: ArgumentHelp(
            "Budgets to measure, separated by commas; see run --help.", valueName: "budgets"))
    var keep = "64"

    @Option(
        help: ArgumentHelp(
            "Selectors to measure, separated by commas: \(TokenSelectors.names.joined(separator: ", ")).",
            valueName: "names"))
    var selector = TokenSelectors.names[0]

    @Flag(
        inversion: .prefixedNo,
        help: """
            Also measure the unpruned model on smaller pictures, for models that can see fewer tiles or pixels.
            """)
    var fewerPixels = true

    @Option(
        name: [.customShort("n"), .long],
        help: ArgumentHelp("Number of tokens in each answer.", valueName: "count"))
    var maxTokens = 64

    @Option(
        name: [.short, .long],
        help: ArgumentHelp("Number of measured runs per setting.", valueName: "count"))
    var repetitions = 3

    @Option(name: [.short, .long], help: "Output format.")
    var output: ResultTable.Format = .table

    @Option(
        help: ArgumentHelp("Plot the times as an SVG file.", valueName: "file"),
        completion: .file())
    var plot: String?

    @Flag(help: "Warn if other programs are using the processor.")
    var idleCheck = false

    @Argument(
        help: ArgumentHelp("JPEG, PNG or WebP files.", valueName: "picture"),
        completion: .file())
    var pictures: [String]

    func validate() throws {
        guard maxTokens >= 1, repetitions >= 1 else {
            throw ValidationError("--max-tokens and --repetitions must be at least 1")
        }
        if let plot { try checkExtension(of: plot, is: "svg", "--plot") }
        try model.checkSeesPictures()
        _ = try settings()
    }

    func run() throws {
        try TextInput.checkArguments()
        let files = try checkingFiles { files in
            try files.reads(model)
            try files.reads(pictures: pictures)
            try files.writes(.standardStream)
            if let plot { try files.writesAtEnd(plot, as: "--plot") }
            return files
        }
        try sandbox.close(files, model) { rules in
            rules.write(inPlace: SystemLoad.resetFile)
        }
        var input = PictureInput(orients: true, transparency: model.transparency)
        for path in pictures { try input.load(path) }
        if idleCheck, let warning = SystemLoad.warning() { StandardError.print(warning) }
        let llava = try model.load()
        try ManyTokensNote(ofWholePictures: llava)?.report(input, for: llava)
        let runner = BenchRunner(
            llava: llava, pictures: input.pictures, question: prompt, template: template,
            maxTokens: maxTokens)
        let isWatched = isatty(STDERR_FILENO) != 0
        let settings =
            try settings()
            + (fewerPixels ? EvaluationSetting.fewerPixels(beside: budgets(), for: llava) : [])
        let results = try runner.run(settings, repetitions: repetitions) { message in
            if isWatched { StandardError.print(message) }
        }
        let report = BenchReport(results)
        try report.table.print(report.rows, as: output)
        if let plot { try BenchPlot(report.rows).svg.write(to: plot) }
    }

    private func budgets() throws -> [KeepBudget] {
        try listed(keep) { try KeepBudget(parsing: $0) }
    }

    /// The unpruned model first, then every selector at every budget.
    private func settings() throws -> [EvaluationSetting] {
        let budgets = try budgets()
        let selectors = try listed(selector) { try TokenSelectors.named($0).info.name }
        guard !budgets.isEmpty, !selectors.isEmpty else {
            throw ValidationError("--keep and --selector need at least one value each")
        }
        return [EvaluationSetting(nil)]
            + budgets.flatMap { budget in
                selectors.map {
                    EvaluationSetting(PruningOptions(budget: budget, selector: $0))
                }
            }
    }
}
