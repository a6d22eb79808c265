// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import TrimLLaVA

/// How questions are written down for the model, and what it sees of pictures.
struct PromptFormatOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "How the model was trained to read questions. (default: what its file says)",
            valueName: "name"))
    var template: ChatTemplate?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "What the conversation starts with, instead of the template's own text.",
            valueName: "text"))
    var system: String?

    @Flag(help: "Show LLaVA-1.5 models only the middle square, as Hugging Face does by default.")
    var crop = false

    @Flag(help: "Do not turn pictures as their EXIF orientation says.")
    var ignoreOrientation = false

    /// Whether the template or its text is chosen.
    var isGiven: Bool { template != nil || system != nil }
}

extension ChatTemplate: ExpressibleByArgument {}
