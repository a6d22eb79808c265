// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import FileOutput
import Pictures
import TrimLLaVA

/// `trimllava run`: asks a model about pictures.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract:
            "Describes pictures, or answers questions about them; a text model answers questions alone.",
        discussion: """
            The default question is "\(LLaVA.defaultQuestion)" The answer goes to standard output as it \
            is generated. Timings go to standard error.
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Prompt") var prompt: PromptOptions
    @OptionGroup(title: "Pruning") var pruning: PruningArguments
    @OptionGroup(title: "Answer") var answer: AnswerOptions
    @OptionGroup(title: "Safety") var sandbox: SandboxOptions

    @OptionGroup(title: "Video") var video: VideoOptions

    @Flag(name: [.short, .long], help: "Chat: ask one question after another.")
    var interactive = false

    @Flag(
        help: """
            In a chat with --keep, select visual tokens anew for every question, and process the \
            conversation again. Without it, the question that comes with a picture decides.
            """)
    var reselect = false

    @Flag(help: "Print one JSON object with text, token counts and times.")
    var json = false

    @Flag(name: [.short, .long], help: "Print no progress or timings.")
    var quiet = false

    @Option(
        help: ArgumentHelp("Write the result of each stage as .npy files.", valueName: "folder"),
        completion: .directory)
    var dump: String?

    @Option(
        help: ArgumentHelp(
            "Draw which visual tokens of the picture were kept (PNG).", valueName: "file"),
        completion: .file())
    var pruneMap: String?

    @Argument(
        help: ArgumentHelp(
            "JPEG, PNG or WebP files, or - for standard input.", valueName: "picture"),
        completion: .file())
    var pictures: [String] = []

    func validate() throws {
        try pruning.checkEffect()
        if interactive, json || dump != nil || prompt.raw {
            throw ValidationError("--interactive cannot be combined with --json, --dump or --raw")
        }
        let readers =
            pictures.count { $0 == "-" } + (prompt.readsStandardInput ? 1 : 0)
            + (interactive ? 1 : 0)
        if readers > 1 {
            throw ValidationError(
                "standard input can be only one of: a picture, the prompt, an interactive chat")
        }
        if reselect, !interactive || pruning.keep == nil {
            throw ValidationError("--reselect needs --interactive and --keep")
        }
        if pruneMap != nil, interactive || pictures.count != 1 || pruning.keep == nil {
            throw ValidationError(
                "--prune-map needs --keep and exactly one picture, and no --interactive")
        }
        if let pruneMap { try checkExtension(of: pruneMap, is: "png", "--prune-map") }
        if !interactive, pictures.isEmpty, video.frames.isEmpty, !prompt.isGiven {
            throw ValidationError("give a picture, a prompt or --interactive")
        }
        if !pictures.isEmpty || !video.frames.isEmpty { try model.checkSeesPictures() }
    }

    private var options: GenerationOptions {
        var options = answer.options
        options.pruning = pruning.options
        options.pruning?.reselects = reselect
        return options
    }

    func run() throws {
        try TextInput.checkArguments()
        let frames = try video.files()
        let files = try checkFiles(frames)
        let question = try prompt.text()
        let folder = try dump.map { path in try DumpFolder(path: path) }
        try sandbox.close(files, model) { rules in
            // In a chat, more pictures may be named, of those that lie beside them.
            if interactive { pictures.forEach { rules.read(folderOf: FilePath($0)) } }
        }
        var input = PictureInput(
            orients: !prompt.format.ignoreOrientation, transparency: model.transparency)
        for path in pictures { try input.load(path) }
        for path in frames { try input.load(frame: path) }
        let llava = try model.load(quiet: quiet)
        let note = quiet ? nil : ManyTokensNote(llava, keep: pruning.keep)
        try note?.report(input, for: llava)
        if !quiet { try input.reportSeenSizes(for: llava) }
        if interactive {
            let chat = try InteractiveChat(
                options, input, quiet: quiet, note: note,
                restart: { try prompt.conversation(llava) })
            try chat.run(firstQuestion: question)
        } else {
            let usual = frames.isEmpty ? LLaVA.defaultQuestion : LLaVA.defaultVideoQuestion
            try answerOnce(llava, question ?? usual, input, folder)
        }
    }

    private func checkFiles(_ frames: [String]) throws -> FileClaims {
        try checkingFiles { files in
            try files.reads(model)
            try files.reads(pictures: pictures + frames)
            if let file = prompt.promptFile { try files.reads(FilePath(file), as: "--prompt-file") }
            try files.writes(.standardStream)
            for file in dump.map(DumpFolder.files) ?? [] { try files.writes(file, as: "--dump") }
            if let pruneMap { try files.writesAtEnd(pruneMap, as: "--prune-map") }
            return files
        }
    }

    private func answerOnce(
        _ llava: LLaVA, _ question: String, _ input: PictureInput, _ folder: DumpFolder?
    ) throws {
        let recorder = folder.map { _ in StageRecorder() }
        let cancellation = Cancellation()
        let progress = ProgressLine(quiet: quiet)
        let stream = AnswerPrinter(cancelling: cancellation, progress)
        let interrupts = Interrupts()
        defer { progress.erase() }
        let result = try interrupts.cancelling(cancellation) {
            let onText = { (piece: String) in if !json { stream.write(piece) } }
            return prompt.raw
                ? try llava.complete(
                    question, pictures: input.pictures, frames: input.frames,
                    crop: prompt.format.crop,
                    options: options, cancellation: cancellation, recorder: recorder,
                    onText: onText, onProgress: progress.show)
                : try prompt.conversation(llava).ask(
                    question, pictures: input.pictures, frames: input.frames, options: options,
                    cancellation: cancellation, recorder: recorder,
                    onText: onText, onProgress: progress.show)
        }
        interrupts.stop()
        progress.erase()
        if let folder, let recorder { try folder.write(recorder) }
        try writePruneMap(llava, input, result)
        let report = RunReport(result, about: input, loadSeconds: llava.loadSeconds)
        if json { try writeOutput(report.json()) } else { try stream.finish() }
        if !quiet, !json { StandardError.print(report.summary) }
        if result.stopReason == .cancelled { throw ExitCode(Interrupts.exitCode) }
    }

    private func writePruneMap(_ llava: LLaVA, _ input: PictureInput, _ answer: Answer) throws {
        guard let pruneMap, let selection = answer.selections.first else { return }
        try SelectionMap(input.pictures[0], selection, llava, crop: prompt.format.crop)
            .write(to: pruneMap)
    }
}
