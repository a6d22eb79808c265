// SPDX-License-Identifier: Apache-2.0
import Foundation
import TrimLLaVA

/// What an answer was and what it cost, for people and for scripts.
struct RunReport: Encodable {
    struct Tokens: Encodable {
        let prompt: Int
        let visual: Int
        let unprunedVisual: Int
        let generated: Int
    }

    struct Cache: Encodable {
        let rows: Int
        let bytes: Int
        let unprunedBytes: Int
    }

    /// What was kept of one picture.
    struct Kept: Encodable {
        let patches: Int
        let ofPatches: Int
        let newlines: Int
    }

    /// Milliseconds.
    struct Timings: Encodable {
        let decodePicture: Double
        let tiles: Double
        let vision: Double
        let project: Double
        let select: Double
        let prefill: Double
        let decode: Double
        /// The output matrix's part of prefill and decode.
        let output: Double
        let timeToFirstToken: Double
        let total: Double
    }

    /// From the paths to a model that runs; nil where that was reported before.
    let loadSeconds: Double?
    let text: String
    let stopReason: String
    let pictures: [String]
    let tokens: Tokens
    let cache: Cache
    let kept: [Kept]
    let positions: String
    let milliseconds: Timings
    let tokensPerSecond: Double
    /// Whether a selector that looks at the question had none to look at.
    let lacksQuestion: Bool

    init(_ answer: Answer, about input: PictureInput, loadSeconds: Double? = nil) {
        let statistics = answer.statistics
        self.loadSeconds = loadSeconds.map { ($0 * 1000).rounded() / 1000 }
        text = answer.text
        stopReason = answer.stopReason.rawValue
        pictures = input.names
        tokens = Tokens(
            prompt: statistics.promptRows, visual: statistics.visualRows,
            unprunedVisual: statistics.unprunedVisualRows, generated: statistics.generatedTokens)
        cache = Cache(
            rows: statistics.cacheRows, bytes: statistics.cacheBytes,
            unprunedBytes: statistics.unprunedCacheBytes)
        kept = answer.selections.map { selection in
            Kept(
                patches: selection.keptPatches.count, ofPatches: selection.candidateCount,
                newlines: selection.keptNewlineCount)
        }
        positions = statistics.usesCompactPositions ? "compact" : "original"
        lacksQuestion = answer.selections.contains(where: \.lacksQuestion)
        let first = input.seconds + statistics.firstTokenSeconds
        milliseconds = Timings(
            decodePicture: Self.milliseconds(input.seconds),
            tiles: Self.milliseconds(statistics.tilingSeconds),
            vision: Self.milliseconds(statistics.visionSeconds),
            project: Self.milliseconds(statistics.projectionSeconds),
            select: Self.milliseconds(statistics.selectionSeconds),
            prefill: Self.milliseconds(statistics.prefillSeconds),
            decode: Self.milliseconds(statistics.decodeSeconds),
            output: Self.milliseconds(statistics.outputSeconds),
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

            \(loadText)picture  \(Self.text(times.decodePicture + times.tiles)), \
            vision \(Self.text(times.vision)), projector \(Self.text(times.project))\(pruningText)
            prefill  \(Self.text(times.prefill)) for \(tokens.prompt) rows, \
            \(tokens.visual) of them visual tokens; first token after \
            \(Self.text(times.timeToFirstToken))
            decode   \(Self.text(times.decode)) for \(tokens.generated) tokens, \
            \(String(format: "%.2f", tokensPerSecond)) tokens/s; ended by \(stopReason)
            KV cache \(cache.rows) rows, \(byteCountText(cache.bytes))\(savingText)
            """
    }

    private var loadText: String {
        loadSeconds.map { "load     \(Self.text($0 * 1000))\n" } ?? ""
    }

    private var isPruned: Bool { tokens.visual < tokens.unprunedVisual }

    private var pruningText: String {
        guard isPruned else { return "" }
        let patches = kept.map { "\($0.patches) of \($0.ofPatches)" }.joined(separator: ", ")
        let newlines = kept.reduce(0) { $0 + $1.newlines }
        return """

            pruning  \(Self.text(milliseconds.select)), kept \(patches) patches\
            \(newlines > 0 ? " and \(newlines) newlines" : ""), \(positions) positions\
            \(lacksQuestion ? "; without a question to look at" : "")
            """
    }

    private var savingText: String {
        isPruned ? " instead of \(byteCountText(cache.unprunedBytes))" : ""
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
