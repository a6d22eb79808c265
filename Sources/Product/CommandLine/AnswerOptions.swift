// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import TrimLLaVA

/// How an answer is generated.
struct AnswerOptions: ParsableArguments {
    @Option(
        name: [.customShort("n"), .long], parsing: .unconditional,
        help: ArgumentHelp("Most tokens of an answer.", valueName: "count"))
    var maxTokens = 512

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Tokens before which the model may not end its answer.", valueName: "count"))
    var minTokens = 0

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "0 always takes the best token; higher is more varied.", valueName: "number"))
    var temperature: Float = 0

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Sample from this many best tokens; 0 for all.", valueName: "count"))
    var topK = 40

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Sample from the best tokens whose probabilities reach this sum.",
            valueName: "number"))
    var topP: Float = 0.95

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Sample from tokens at least this fraction as probable as the best.",
            valueName: "number"))
    var minP: Float = 0.05

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Penalty on repeated tokens; 1 for none.", valueName: "number"))
    var repetitionPenalty: Float = 1

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "How many of the latest tokens count as repeated.", valueName: "count"))
    var repetitionWindow = 64

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Start of the random numbers, to get the same answer again. (default: another one each time)",
            valueName: "number"))
    var seed: UInt64?

    @Option(
        name: .customLong("stop"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp("A text that ends the answer; can be repeated.", valueName: "text"))
    var stops: [String] = []

    @Flag(help: "Go on to --max-tokens, never choosing an end-of-sequence token.")
    var ignoreEos = false

    var options: GenerationOptions {
        GenerationOptions(
            maxNewTokens: maxTokens, minNewTokens: minTokens,
            sampling: SamplingOptions(
                temperature: temperature, topK: topK, topP: topP, minP: minP,
                repetitionPenalty: repetitionPenalty, repetitionWindow: repetitionWindow,
                seed: seed),
            stopStrings: stops, ignoresEndOfSequence: ignoreEos)
    }

    func validate() throws {
        do {
            try options.validate()
        } catch {
            throw ValidationError("\(error)")
        }
    }
}
