// SPDX-License-Identifier: Apache-2.0
import Foundation
import TrimLLaVA

/// An answer and its cost, as text and as JSON.
struct RunReport: Encodable {
    /// A picture and what was kept of it.
    struct PictureReport: Encodable {
        let fileName: String
        let width: Int
        let height: Int
        // Nil unless the picture has more pixels than the model may see.
        let seenWidth: Int?
        let seenHeight: Int?
        // Nil if the answer was cancelled before the picture was encoded.
        let visualTokens: Int?
        let keptTokens: Int?
        let candidatePatches: Int?
        let keptPatches: Int?
        let keptNewlines: Int?
        let keptMarkers: Int?

        init(_ name: String, _ picture: Picture, _ selection: PictureSelection?) {
            fileName = name
            width = picture.width
            height = picture.height
            seenWidth = selection?.seenSize?.width
            seenHeight = selection?.seenSize?.height
            visualTokens = selection?.unprunedRowCount
            keptTokens = selection?.keptRows.count
            candidatePatches = selection?.candidateCount
            keptPatches = selection?.keptPatches.count
            keptNewlines = selection?.keptNewlineCount
            keptMarkers = selection?.keptMarkerCount
        }
    }

    /// A video and what was kept of all its frames together.
    struct VideoReport: Encodable {
        let frames: Int
        // Nil if the answer was cancelled before the video was encoded.
        let visualTokens: Int?
        let keptTokens: Int?
        let candidatePatches: Int?
        let keptPatches: Int?
        let keptNewlines: Int?

        init?(_ frames: Int, _ selection: PictureSelection?) {
            guard frames > 0 else { return nil }
            self.frames = frames
            visualTokens = selection?.unprunedRowCount
            keptTokens = selection?.keptRows.count
            candidatePatches = selection?.candidateCount
            keptPatches = selection?.keptPatches.count
            keptNewlines = selection?.keptNewlineCount
        }
    }

    let text: String
    let stopReason: String
    let pictures: [PictureReport]
    let video: VideoReport?
    let positions: String
    /// Whether a selector that uses the question had none.
    let lacksQuestion: Bool

    let visualTokens: Int
    let keptTokens: Int
    let promptTokens: Int
    /// The prompt's tokens that were read from `--pack-cache`; nil for none.
    let storedPromptTokens: Int?
    let generatedTokens: Int
    let cacheRows: Int
    let cacheBytes: Int
    let unprunedCacheBytes: Int

    /// Seconds from the paths to a loaded model; nil if already reported.
    let modelLoadSeconds: Double?
    let pictureSeconds: Double
    let visionSeconds: Double
    /// The part of `visionSeconds` that the projector takes.
    let projectorSeconds: Double
    let selectSeconds: Double
    let prefillSeconds: Double
    let decodeSeconds: Double
    /// The part of prefill and decode that the LM head takes.
    let lmHeadSeconds: Double
    let firstTokenSeconds: Double
    let totalSeconds: Double
    let decodeTokensPerSecond: Double

    init(_ answer: Answer, about input: PictureInput, loadSeconds: Double? = nil) {
        let (statistics, selections) = (answer.statistics, answer.selections)
        text = answer.text
        stopReason = answer.stopReason.rawValue
        pictures = zip(input.names, input.pictures).enumerated().map { index, picture in
            PictureReport(
                picture.0, picture.1, selections.indices.contains(index) ? selections[index] : nil)
        }
        video = VideoReport(
            input.frames.count,
            selections.count > input.pictures.count ? selections.last : nil)
        positions = statistics.usesCompactPositions ? "compact" : "original"
        lacksQuestion = selections.contains(where: \.lacksQuestion)
        visualTokens = statistics.unprunedVisualRows
        keptTokens = statistics.visualRows
        promptTokens = statistics.promptRows
        storedPromptTokens = statistics.storedRows > 0 ? statistics.storedRows : nil
        generatedTokens = statistics.generatedTokens
        cacheRows = statistics.cacheRows
        cacheBytes = statistics.cacheBytes
        unprunedCacheBytes = statistics.unprunedCacheBytes
        modelLoadSeconds = loadSeconds.map(OutputSchema.seconds)
        pictureSeconds = OutputSchema.seconds(input.seconds + statistics.tilingSeconds)
        visionSeconds = OutputSchema.seconds(
            statistics.visionSeconds + statistics.projectionSeconds)
        projectorSeconds = OutputSchema.seconds(statistics.projectionSeconds)
        selectSeconds = OutputSchema.seconds(statistics.selectionSeconds)
        prefillSeconds = OutputSchema.seconds(statistics.prefillSeconds)
        decodeSeconds = OutputSchema.seconds(statistics.decodeSeconds)
        lmHeadSeconds = OutputSchema.seconds(statistics.outputSeconds)
        firstTokenSeconds = OutputSchema.seconds(input.seconds + statistics.firstTokenSeconds)
        totalSeconds = OutputSchema.seconds(input.seconds + statistics.totalSeconds)
        decodeTokensPerSecond = OutputSchema.rate(statistics.decodeTokensPerSecond)
    }

    /// One line of JSON.
    func json() throws -> String { try jsonOutput(self) }

    /// A few lines for a terminal.
    var summary: String {
        """

        \(loadText)picture  \(Self.text(pictureSeconds)), \
        vision tower and projector \(Self.text(visionSeconds))\(pruningText)
        prefill  \(Self.text(prefillSeconds)) for \(promptTokens) tokens, \
        \(keptTokens) of them visual\(storedText); first token after \(Self.text(firstTokenSeconds))
        decode   \(Self.text(decodeSeconds)) for \(generatedTokens) tokens, \
        \(String(format: "%.2f", decodeTokensPerSecond)) tokens/s; ended by \(stopReason)
        KV cache \(cacheRows) rows, \(byteCountText(cacheBytes))\(savingText)
        """
    }

    private var loadText: String {
        modelLoadSeconds.map { "load     \(Self.text($0))\n" } ?? ""
    }

    private var storedText: String {
        storedPromptTokens.map { ", \($0) read from --pack-cache" } ?? ""
    }

    private var isPruned: Bool { keptTokens < visualTokens }

    private var pruningText: String {
        guard isPruned else { return "" }
        let kept =
            pictures.map { ($0.keptPatches, $0.candidatePatches) }
            + [(video?.keptPatches, video?.candidatePatches)]
        let patches = kept.compactMap { kept, all in kept.map { "\($0) of \(all ?? $0)" } }
        let others = PictureSelection.textBesidePatches(
            newlines: pictures.reduce(video?.keptNewlines ?? 0) { $0 + ($1.keptNewlines ?? 0) },
            markers: pictures.reduce(0) { $0 + ($1.keptMarkers ?? 0) })
        return """

            pruning  \(Self.text(selectSeconds)), kept \(patches.joined(separator: ", ")) patches\
            \(others), \(positions) positions\
            \(lacksQuestion ? "; there was no question to select by" : "")
            """
    }

    private var savingText: String {
        isPruned ? " instead of \(byteCountText(unprunedCacheBytes))" : ""
    }

    private static func text(_ seconds: Double) -> String {
        seconds < 1
            ? String(format: "%.1f ms", seconds * 1000) : String(format: "%.2f s", seconds)
    }
}
