// SPDX-License-Identifier: Apache-2.0
import Foundation
import TrimLLaVA

/// What an answer was and what it cost, for people and for scripts.
struct RunReport: Encodable {
    struct Tokens: Encodable {
        let prompt: Int
        let visual: Int
        let generated: Int
    }

    struct Cache: Encodable {
        let rows: Int
        let bytes: Int
    }

    /// Milliseconds.
    struct Timings: Encodable {
        let decodePicture: Double
        let tiles: Double
        let vision: Double
        let project: Double
        let prefill: Double
        let decode: Double
        let timeToFirstToken: Double
        let total: Double
    }

    let text: String
    let stopReason: String
    let pictures: [String]
    let tokens: Tokens
    let cache: Cache
    let milliseconds: Timings
    let tokensPerSecond: Double

    init(_ answer: Answer, about input: PictureInput) {
        let statistics = answer.statistics
        text = answer.text
        stopReason = answer.stopReason.rawValue
        pictures = input.names
        tokens = Tokens(
            prompt: statistics.promptRows, visual: statistics.visualRows,
            generated: statistics.generatedTokens)
        cache = Cache(rows: statistics.cacheRows, bytes: statistics.cacheBytes)
        let first =
            input.seconds + statistics.tilingSeconds + statistics.visionSeconds
            + statistics.projectionSeconds + statistics.prefillSeconds
        milliseconds = Timings(
            decodePicture: Self.milliseconds(input.seconds),
            tiles: Self.milliseconds(statistics.tilingSeconds),
            vision: Self.milliseconds(statistics.visionSeconds),
            project: Self.milliseconds(statistics.projectionSeconds),
            prefill: Self.milliseconds(statistics.prefillSeconds),
            decode: Self.milliseconds(statistics.decodeSeconds),
            timeToFirstToken: Self.milliseconds(first),
            total: Self.milliseconds(first + statistics.decodeSeconds))
        tokensPerSecond =
            (statistics.decodeTokensPerSecond * 1000).rounded() / 1000
    }

    /// One line of JSON.
    func json() throws -> String {
        try jsonText(self, keys: .convertToSnakeCase) + "\n"
    }

    /// A few lines for a terminal.
    var summary: String {
        let times = milliseconds
        return """

            picture  \(Self.text(times.decodePicture + times.tiles)), \
            vision \(Self.text(times.vision)), projector \(Self.text(times.project))
            prefill  \(Self.text(times.prefill)) for \(tokens.prompt) rows, \
            \(tokens.visual) of them visual tokens; first token after \
            \(Self.text(times.timeToFirstToken))
            decode   \(Self.text(times.decode)) for \(tokens.generated) tokens, \
            \(String(format: "%.2f", tokensPerSecond)) tokens/s; ended by \(stopReason)
            KV cache \(cache.rows) rows, \(byteCountText(cache.bytes))
            """
    }

    private static func milliseconds(_ seconds: Double) -> Double {
        (seconds * 1e6).rounded() / 1e3
    }

    private static func text(_ milliseconds: Double) -> String {
        milliseconds < 1000
            ? String(format: "%.1f ms", milliseconds)
            : String(format: "%.2f s", milliseconds / 1000)
    }
}
