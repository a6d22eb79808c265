// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import TrimLLaVA

/// How an answer is generated.
struct AnswerOptions: ParsableArguments {
    @Option(name: [.customShort("n"), .long], help: "Most tokens of an answer.")
    var maxTokens = 512

    @Option(help: "0 always takes the best token; higher is more varied.")
    var temperature: Float = 0

    @Option(help: "Sample from this many best tokens; 0 for all.")
    var topK = 40

    @Option(help: "Sample from the best tokens whose probabilities reach this sum.")
    var topP: Float = 0.95

    @Option(help: "Sample from tokens at least this fraction as probable as the best.")
    var minP: Float = 0.05

    @Option(help: "Penalty on repeated tokens; 1 for none.")
    var repetitionPenalty: Float = 1

    @Option(help: "How many of the latest tokens count as repeated.")
    var repetitionWindow = 64

    @Option(help: "Start of the random numbers, to get the same answer again.")
    var seed: UInt64?

    @Option(name: .customLong("stop"), help: "A text that ends the answer; can be repeated.")
    var stops: [String] = []

    @Flag(help: "Go on to --max-tokens, never choosing an end-of-sequence token.")
    var ignoreEos = false

    var options: GenerationOptions {
        GenerationOptions(
            maxNewTokens: maxTokens,
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
