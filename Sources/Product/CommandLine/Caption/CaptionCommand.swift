// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Captioning
import FileOutput
import Foundation
import TrimLLaVA

/// `trimllava caption`: captions many pictures, many at a time.
struct CaptionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "caption",
        abstract: "Captions many pictures: folders, lists of files, tar archives.",
        discussion: """
            Every picture and prompt gives one line of JSON, on standard output or in the file that -o \
            names. The line is written as soon as its caption is finished. To continue an interrupted run, \
            repeat the command with --resume. Ctrl-C finishes the captions in flight; a second one stops \
            at once.
            """)

    @Argument(
        help: ArgumentHelp(
            "Pictures (JPEG, PNG, WebP), folders, patterns in quotes, and tar archives.",
            valueName: "input"),
        completion: .file())
    var inputs: [String] = []

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Input") var input: CaptionInputOptions
    @OptionGroup(title: "Output") var output: CaptionOutputOptions
    @OptionGroup(title: "Prompt") var prompt: CaptionPromptOptions
    @OptionGroup(title: "Pruning") var pruning: PruningArguments
    @OptionGroup(title: "Answer") var answer: AnswerOptions
    @OptionGroup(title: "Safety") var sandbox: SandboxOptions

    @Option(
        help: ArgumentHelp(
            "Number of captions to generate at the same time, or auto to measure the best.",
            valueName: "count"),
        transform: { text in
            guard let choice = ParallelChoice(parsing: text) else {
                throw ValidationError("expected auto or a number from 1")
            }
            return choice
        })
    var parallel = ParallelChoice.automatic

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            Encode the next pictures on this many extra threads while captions are generated. 0 encodes \
            and generates in turn.
            """, valueName: "count"))
    var encodingThreads = 0

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Stop after more than this many failures. (default: never)", valueName: "count"))
    var maxErrors: Int?

    @Flag(name: [.short, .long], help: "Print no progress, failures or summary.")
    var quiet = false

    func validate() throws {
        try pruning.checkEffect()
        guard !inputs.isEmpty || input.filelist != nil else {
            throw ValidationError("give pictures, folders or --filelist")
        }
        try model.checkSeesPictures()
        if input.filelist == "-", prompt.readsStandardInput {
            throw ValidationError("standard input can be only one of --filelist and --prompt-file")
        }
        let allowed = 0...LoadOptions.maximumThreadCount
        if !allowed.contains(encodingThreads) {
            throw ValidationError(
                "--encoding-threads is \(encodingThreads), expected 0 to \(allowed.upperBound)")
        }
        if let maxErrors, maxErrors < 0 {
            throw ValidationError("--max-errors is \(maxErrors), expected 0 or more")
        }
    }

    func run() throws {
        let paths = try RawArguments.paths(of: inputs)
        let prompts = try prompt.texts()
        let identity = RecordIdentity(
            model: URL(fileURLWithPath: model.model).lastPathComponent, prompts: prompts,
            settings: try CaptionSettings(self).lines)
        let listed = try input.listed()
        try sandbox.close { rules in
            rules.read(model)
            for path in paths + (listed ?? []) {
                rules.read(input: path)
                if output.writesBesidePictures { rules.write(besideInput: path) }
            }
            try output.allow(in: &rules)
        }
        let found = input.pictures(paths, listed)
        let sidecars = output.sidecars(of: paths)
        try checkFiles(paths, found, sidecars, identity)
        let sink = try CaptionOutput(
            records: output.records, resumes: output.resume, sidecars: sidecars, job: identity,
            part: input.shard, inputs: paths)
        let plan = try sink.plan(found)
        let report = CaptionReport(quiet: quiet)
        var statistics = JobStatistics(plan)
        statistics.duplicates = found.duplicateCount
        report.begin(plan, statistics, unsearchedFolders: found.unsearchedCount)
        let control = JobControl()
        let ending: Result<Void, any Error>
        if plan.tasks.isEmpty {
            let failures = plan.failures + plan.sidecarFailures
            for failure in failures { report.failed("\(failure)") }
            try sink.write(plan.failures)
            statistics.failed = failures.count
            ending = .success(())
        } else {
            let llava = try model.load(quiet: quiet)
            report.note = ManyTokensNote(llava, keep: pruning.keep)
            let caption = try CaptionJob(
                plan, llava, try identity.prompts.map { try prompt.question($0, llava) },
                identity: identity, options: options, output: sink, statistics: statistics,
                control: control, onProgress: report.show, onFailure: report.failed)
            ending = result(of: caption, control, report)
            statistics = caption.statistics
        }
        if case .success = ending {
            try sink.finish()
            statistics.failed += try output.export(
                sink, found, identity, part: input.shard,
                isComplete: statistics.done == statistics.pictures, onKept: reportKept,
                onChanged: report.failed)
        }
        try finish(statistics, report, control, ending)
    }

    /// Refuses outputs that are inputs or the same file, before any of them is opened.
    private func checkFiles(
        _ paths: [FilePath], _ found: PictureInputs, _ sidecars: Sidecars?, _ job: RecordIdentity
    ) throws {
        try checkingFiles { files in
            try files.reads(model)
            for path in paths where FileStatus(path)?.kind == .file { try files.reads(path) }
            for file in prompt.promptFiles { try files.reads(FilePath(file), as: "--prompt-file") }
            if let list = input.filelist { try files.reads(FilePath(list), as: "--filelist") }
            try output.check(&files, found, sidecars, job, part: input.shard)
        }
    }

    /// Warns about captions that did not replace texts of the metadata.
    private func reportKept(_ count: Int) {
        guard count > 0, let metadata = output.metadata else { return }
        StandardError.report(
            "warning: \(metadata): texts kept that are in no record: \(count); "
                + "--existing overwrite replaces them")
    }

    /// Runs the job; signals may end it.
    private func result(
        of job: CaptionJob, _ control: JobControl, _ report: CaptionReport
    ) -> Result<Void, any Error> {
        let signals = JobSignals(control, onFirst: report.finishing)
        defer { signals.stop() }
        return Result { try job.run() }
    }

    private var options: JobOptions {
        var generation = answer.options
        generation.pruning = pruning.options
        var options = JobOptions(generation: generation)
        options.prefix = prompt.prefix
        options.suffix = prompt.suffix
        options.parallel = parallel
        options.encodingThreads = encodingThreads
        options.isOrdered = output.ordered
        options.maximumFailures = maxErrors
        options.crops = prompt.format.crop
        options.orients = !prompt.format.ignoreOrientation
        return options
    }

    /// Reports how the job ended and how to continue.
    private func finish(
        _ statistics: JobStatistics, _ report: CaptionReport, _ control: JobControl,
        _ ending: Result<Void, any Error>
    ) throws {
        report.end(statistics)
        let summary = Result {
            if let path = output.summary { try CaptionSummary(statistics).write(to: path) }
        }
        let left = statistics.pictures - statistics.done
        if left > 0, !quiet { StandardError.report(output.continuation(left: left)) }
        if case .failure = ending, case .failure(let error) = summary {
            StandardError.report("\(error)")
        }
        try ending.get()
        try summary.get()
        if control.isFinishing, left > 0 { throw ExitCode(Interrupts.exitCode) }
        if statistics.failed > 0 { throw ExitCode(1) }
    }
}
