// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import TrimLLaVA

/// How an answer is generated.
struct AnswerOptions: ParsableArguments {
    @Option(
        name: [.customShort("n"), .long], parsing: .unconditional,
        help: ArgumentHelp("Maximum number of tokens in an answer.", valueName: "count"))
    var maxTokens = 512

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Minimum number of tokens before the model may end its answer.", valueName: "count"))
    var minTokens = 0

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Sampling temperature. 0 always picks the most likely token.", valueName: "number"))
    var temperature: Float = 0

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Sample from this many of the most likely tokens. 0 means all.", valueName: "count"))
    var topK = 40

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Sample from the most likely tokens whose probabilities add up to this.",
            valueName: "number"))
    var topP: Float = 0.95

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Sample from tokens at least this fraction as likely as the best one.",
            valueName: "number"))
    var minP: Float = 0.05

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Penalty on repeated tokens. 1 means none.", valueName: "number"))
    var repetitionPenalty: Float = 1

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Number of recent tokens that the penalty looks at.", valueName: "count"))
    var repetitionWindow = 64

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Random seed. The same seed gives the same answer. (default: a new one each time)",
            valueName: "number"))
    var seed: UInt64?

    @Option(
        name: .customLong("stop"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Text that ends the answer. Can be repeated.", valueName: "text"))
    var stops: [String] = []

    @Flag(help: "Never choose an end-of-sequence token: generate until --max-tokens.")
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
