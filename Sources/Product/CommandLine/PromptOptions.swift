// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import TrimLLaVA
import UserText

/// The question and how it is formatted for the model.
struct PromptOptions: ParsableArguments {
    @Option(
        name: [.short, .long], parsing: .unconditional,
        help: ArgumentHelp(
            "The question. <image> marks a picture's place; without it, pictures come first.",
            valueName: "text"))
    var prompt: String?

    @Option(
        help: ArgumentHelp(
            "Read the question from a file, or - for standard input.", valueName: "file"),
        completion: .file())
    var promptFile: String?

    @Flag(help: "Use the prompt as it is: without a template, with special tokens recognised.")
    var raw = false

    @OptionGroup var format: PromptFormatOptions

    func validate() throws {
        if prompt != nil, promptFile != nil {
            throw ValidationError("give either --prompt or --prompt-file, not both")
        }
        if raw, !isGiven {
            throw ValidationError("--raw needs --prompt or --prompt-file")
        }
        if raw, format.isGiven {
            throw ValidationError("--raw cannot be combined with --template or --system")
        }
        if prompt?.isEmpty == true {
            throw ValidationError("--prompt is empty")
        }
    }

    /// Whether there is a question.
    var isGiven: Bool { prompt != nil || promptFile != nil }

    var readsStandardInput: Bool { promptFile == "-" }

    /// The question; nil without one.
    ///
    /// Without `--raw` a file's last line end is dropped.
    func text() throws -> String? {
        try promptFile.map { try PromptFile.text($0, raw: raw) } ?? prompt
    }

    func conversation(_ llava: LLaVA) throws -> Conversation {
        try llava.conversation(
            template: format.template, system: format.system, crop: format.crop)
    }
}

/// Reads questions from files.
enum PromptFile {
    /// The question in a file, or in standard input for the path `-`, with LF as line end.
    ///
    /// The last line end belongs to a raw question only.
    static func text(_ path: String, raw: Bool) throws -> String {
        let text = try UserText.text(at: path.utf8)
        let question = !raw && text.last?.isNewline == true ? String(text.dropLast()) : text
        guard !question.isEmpty else { throw EmptyPromptError(path: path) }
        return question
    }
}

/// A prompt file without a prompt.
struct EmptyPromptError: Error, Equatable, CustomStringConvertible {
    let path: String

    var description: String {
        "\(path == "-" ? "standard input" : path): the prompt is empty"
    }
}

/// How questions and pictures are prepared for the model.
struct PromptFormatOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Prompt template. (default: the one that the model's file asks for)",
            valueName: "name"))
    var template: ChatTemplate?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "System prompt, instead of the template's own.",
            valueName: "text"))
    var system: String?

    @Flag(help: "Crop pictures to their middle square for LLaVA-1.5, as Hugging Face does.")
    var crop = false

    @Flag(help: "Ignore the EXIF orientation of pictures.")
    var ignoreOrientation = false

    /// Whether the user chose the template or the system prompt.
    var isGiven: Bool { template != nil || system != nil }
}

extension ChatTemplate: ExpressibleByArgument {}
