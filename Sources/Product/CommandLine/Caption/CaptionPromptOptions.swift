// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Captioning
import TrimLLaVA

/// The questions about every picture.
struct CaptionPromptOptions: ParsableArguments {
    @Option(
        name: [.customShort("p"), .customLong("prompt")], parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "The question. Repeat it for several captions of each picture. (default: "
                + "\(LLaVA.defaultQuestion))", valueName: "text"))
    var prompts: [String] = []

    @Option(
        name: .customLong("prompt-file"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "Read a question from a file, or - for standard input. Can be repeated.",
            valueName: "file"),
        completion: .file())
    var promptFiles: [String] = []

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Text to put before every caption.", valueName: "text"))
    var prefix = ""

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Text to put after every caption.", valueName: "text"))
    var suffix = ""

    @Flag(help: "Use prompts as they are: without a template, with special tokens recognised.")
    var raw = false

    @OptionGroup var format: PromptFormatOptions

    func validate() throws {
        if raw, prompts.isEmpty, promptFiles.isEmpty {
            throw ValidationError("--raw needs --prompt or --prompt-file")
        }
        if raw, format.isGiven {
            throw ValidationError("--raw cannot be combined with --template or --system")
        }
        if prompts.contains("") { throw ValidationError("--prompt is empty") }
        if promptFiles.count(where: { $0 == "-" }) > 1 {
            throw ValidationError("standard input can be only one of the prompt files")
        }
    }

    var readsStandardInput: Bool { promptFiles.contains("-") }

    /// The questions, each once, those from files last.
    ///
    /// Without `--raw` a file's last line end is dropped.
    func texts() throws -> [String] {
        var texts: [String] = []
        for text in try prompts + promptFiles.map({ try PromptFile.text($0, raw: raw) })
        where !texts.contains(text) {
            texts.append(text)
        }
        return texts.isEmpty ? [LLaVA.defaultQuestion] : texts
    }

    /// A question, formatted for a model.
    func question(_ text: String, _ llava: LLaVA) throws -> WrittenPrompt {
        try raw
            ? WrittenPrompt(raw: text, pictures: 1, llava.tokenizer)
            : WrittenPrompt(
                text, pictures: 1, by: llava.prompts(format.template, system: format.system),
                llava.tokenizer)
    }
}
