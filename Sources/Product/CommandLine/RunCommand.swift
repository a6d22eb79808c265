// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import TrimLLaVA

/// `trimllava run`: asks a model about pictures.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Describes pictures, or answers questions about them.",
        discussion: """
            Without a prompt, each question is "\(LLaVA.defaultQuestion)". The answer goes to \
            standard output as it comes; timings go to standard error.
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Prompt") var prompt: PromptOptions
    @OptionGroup(title: "Answer") var answer: AnswerOptions

    @Flag(name: [.short, .long], help: "Chat: ask question after question.")
    var interactive = false

    @Flag(help: "Print one JSON object with the text, token counts and timings.")
    var json = false

    @Flag(name: [.short, .long], help: "Print no timings.")
    var quiet = false

    @Option(
        help: ArgumentHelp("Write what each stage computes as .npy files.", valueName: "folder"),
        completion: .directory)
    var dump: String?

    @Argument(
        help: ArgumentHelp("JPEG, PNG or WebP files; - for standard input.", valueName: "picture"),
        completion: .file())
    var pictures: [String] = []

    func validate() throws {
        if interactive, json || dump != nil || prompt.raw || pictures.contains("-") {
            throw ValidationError(
                "--interactive goes without --json, --dump, --raw and a picture from standard input"
            )
        }
        if pictures.count(where: { $0 == "-" }) + (prompt.readsStandardInput ? 1 : 0) > 1 {
            throw ValidationError("standard input can be read only once")
        }
    }

    func run() throws {
        try TextInput.checkArguments()
        let question = try prompt.text()
        let folder = try dump.map { try DumpFolder(path: $0) }
        let loaded = try PictureInput.load(pictures, orients: !prompt.ignoreOrientation)
        let llava = try model.load()
        if interactive {
            let orients = !prompt.ignoreOrientation
            try InteractiveChat(
                answer.options, showsTimings: !quiet,
                loadPicture: { try PictureDecoder.load(path: $0, applyOrientation: orients) },
                restart: { try prompt.conversation(llava) }
            ).run(firstQuestion: question, pictures: loaded.pictures)
        } else {
            try answerOnce(llava, question ?? LLaVA.defaultQuestion, loaded, folder)
        }
    }

    private func answerOnce(
        _ llava: LLaVA, _ question: String, _ loaded: PictureInput, _ folder: DumpFolder?
    ) throws {
        let recorder = folder.map { _ in StageRecorder() }
        let cancellation = Cancellation()
        let interrupts = Interrupts { cancellation.cancel() }
        let isStreaming = !json
        let onText = { (text: String) in if isStreaming { StandardOutput.stream(text) } }
        let result =
            if prompt.raw {
                try llava.complete(
                    question, pictures: loaded.pictures, crop: prompt.crop,
                    options: answer.options, cancellation: cancellation, recorder: recorder,
                    onText: onText)
            } else {
                try prompt.conversation(llava).ask(
                    question, pictures: loaded.pictures, options: answer.options,
                    cancellation: cancellation, recorder: recorder, onText: onText)
            }
        interrupts.stop()
        if let folder, let recorder { try folder.write(recorder) }
        let report = RunReport(result, pictureNames: pictures, decodeSeconds: loaded.seconds)
        try writeOutput(json ? report.json() : "\n")
        if !quiet, !json { StandardError.print(report.summary) }
        if result.stopReason == .cancelled { throw ExitCode(Interrupts.exitCode) }
    }
}
