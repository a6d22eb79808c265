// SPDX-License-Identifier: Apache-2.0
import Families
import GGUF
import Generation
import Pictures
import Tokenization

/// Prints the pauses between a streaming answer's tokens while another request with an unpruned picture comes
/// in, and the time to that request's first token.
func printPauses(_ model: LLaVAModel, _ pair: ModelPair) throws {
    let tokenizer = try Tokenizer(metadata: GGUFFile(path: pair.text).metadata)
    var rows = [
        ["pause aimed at", "longest pause, ms", "first token of the other, s", "tokens meanwhile"]
    ]
    let alone = try PauseSample(model, tokenizer, longestPause: 0).firstTokenAlone()
    rows.append(["nobody reads", "", decimal(alone, digits: 2), ""])
    for (name, pause) in [("none", Double.infinity), ("0.5 s", 0.5), ("0.3 s", 0.3)] {
        let sample = try PauseSample(model, tokenizer, longestPause: pause)
        let result = try sample.pauses()
        rows.append([
            name, decimal(result.longest * 1e3, digits: 0),
            decimal(result.firstToken, digits: 2), "\(result.tokens)",
        ])
    }
    printTable(rows)
}

/// A generator with one streaming answer (the reader) and a new request (the newcomer).
private struct PauseSample {
    private let generator: BatchGenerator
    private let text: [TokenID]
    private let tiles: TileBatch

    /// The steps before the newcomer, in which the generator learns the time of a step.
    private static let stepsBefore = 8

    init(_ model: LLaVAModel, _ tokenizer: Tokenizer, longestPause: Double) throws {
        generator = try BatchGenerator(
            model: model, tokenizer: tokenizer, parallel: 2, cacheRows: 4096,
            longestPause: longestPause)
        // Arbitrary tokens, none of them special.
        text = (0..<64).map { TokenID(300 + $0) }
        tiles = try model.pictureEncoder.tiles(of: samplePicture())
    }

    private func newcomer() -> BatchGenerator.Request {
        BatchGenerator.Request(
            id: 1, prompt: [.picture(0), .tokens(text)], pictures: [.tiles(tiles)],
            options: GenerationOptions(maxNewTokens: 1, ignoresEndOfSequence: true),
            isStreamed: true)
    }

    func firstTokenAlone() throws -> Double {
        try generator.start(newcomer())
        return try ContinuousClock().measure {
            while try generator.step().isEmpty {}
        } / .seconds(1)
    }

    /// The reader gets a token with every step.
    func pauses() throws -> (longest: Double, firstToken: Double, tokens: Int) {
        try generator.start(
            BatchGenerator.Request(
                id: 0, prompt: [.tokens(text)], pictures: [],
                options: GenerationOptions(maxNewTokens: 1000, ignoresEndOfSequence: true),
                isStreamed: true))
        for _ in 0..<Self.stepsBefore { _ = try generator.step() }
        try generator.start(newcomer())
        var (longest, all, tokens) = (0.0, 0.0, 0)
        while true {
            var isThere = false
            let seconds =
                try ContinuousClock().measure {
                    isThere = try generator.step().contains { $0.id == 1 }
                } / .seconds(1)
            (longest, all, tokens) = (max(longest, seconds), all + seconds, tokens + 1)
            if isThere { return (longest, all, tokens) }
        }
    }
}
