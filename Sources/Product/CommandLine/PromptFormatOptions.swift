// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import TrimLLaVA

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
