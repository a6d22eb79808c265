// SPDX-License-Identifier: Apache-2.0
import Foundation
import TrimLLaVA

/// The results of `trimllava bench`, one row per setting.
struct BenchReport {
    /// Medians over the repetitions; milliseconds unless named otherwise.
    struct Row: Encodable {
        let selector: String
        let keep: String
        let visualTokens: Int
        let kept: Int
        let textRows: Int
        let positions: String
        let vision: Double
        let project: Double
        let select: Double
        let prefill: Double
        /// The output matrix's part of prefill and decode.
        let output: Double
        let timeToFirstToken: Double
        let timeToFirstTokenSpread: Double
        let tokensPerSecond: Double
        let endToEnd: Double
        let newTokens: Int
        let cacheBytes: Int
        let unprunedCacheBytes: Int
        let peakBytes: Int?
        let prefillSpeedup: Double
        let timeToFirstTokenSpeedup: Double
        let endToEndSpeedup: Double
    }

    let rows: [Row]

    init(_ results: [BenchRunner.Result]) {
        let unpruned = results[0].statistics
        rows = results.map { result in Row(result, against: unpruned) }
    }

    private static let heading = [
        "selector", "keep", "visual", "kept", "vision ms", "select ms", "prefill ms",
        "first token ms", "tokens/s", "output ms", "end to end ms", "KV MiB", "peak MiB",
        "prefill ×",
        "first token ×", "end to end ×",
    ]

    private var cells: [[String]] {
        rows.map { row in
            [
                row.selector, row.keep, "\(row.visualTokens)", "\(row.kept)",
                Self.text(row.vision + row.project), Self.text(row.select),
                Self.text(row.prefill),
                "\(Self.text(row.timeToFirstToken)) ± \(Self.text(row.timeToFirstTokenSpread))",
                String(format: "%.2f", row.tokensPerSecond), Self.text(row.output),
                Self.text(row.endToEnd),
                Self.mebibytes(row.cacheBytes), row.peakBytes.map(Self.mebibytes) ?? "",
                Self.ratio(row.prefillSpeedup), Self.ratio(row.timeToFirstTokenSpeedup),
                Self.ratio(row.endToEndSpeedup),
            ]
        }
    }

    /// The rows as text.
    var table: ResultTable { ResultTable(heading: Self.heading, cells: cells, wordColumns: 2) }

    private static func text(_ milliseconds: Double) -> String {
        String(format: milliseconds < 100 ? "%.1f" : "%.0f", milliseconds)
    }

    private static func mebibytes(_ bytes: Int) -> String {
        String(format: "%.1f", Double(bytes) / 1_048_576)
    }

    private static func ratio(_ ratio: Double) -> String { String(format: "%.2f", ratio) }
}

extension BenchReport.Row {
    init(_ result: BenchRunner.Result, against unpruned: [GenerationStatistics]) {
        let runs = result.statistics
        func median(_ value: (GenerationStatistics) -> Double) -> Double {
            quantile(runs.map(value), 0.5)
        }
        func milliseconds(_ value: (GenerationStatistics) -> Double) -> Double {
            (median(value) * 1e6).rounded() / 1e3
        }
        func speedup(_ value: (GenerationStatistics) -> Double) -> Double {
            quantile(unpruned.map(value), 0.5) / max(median(value), .leastNonzeroMagnitude)
        }
        let first = runs.map(\.firstTokenSeconds)
        selector = result.pruning?.selector ?? "unpruned"
        keep = result.pruning.map { "\($0.budget)" } ?? "all"
        visualTokens = runs[0].unprunedVisualRows
        kept = runs[0].visualRows
        textRows = runs[0].promptRows - runs[0].visualRows
        positions = runs[0].usesCompactPositions ? "compact" : "original"
        vision = milliseconds(\.visionSeconds)
        project = milliseconds(\.projectionSeconds)
        select = milliseconds(\.selectionSeconds)
        prefill = milliseconds(\.prefillSeconds)
        output = milliseconds(\.outputSeconds)
        timeToFirstToken = milliseconds(\.firstTokenSeconds)
        timeToFirstTokenSpread =
            (quantile(first, 0.75) - quantile(first, 0.25)) / 2 * 1e3
        tokensPerSecond = median(\.decodeTokensPerSecond)
        endToEnd = milliseconds(\.totalSeconds)
        newTokens = runs[0].generatedTokens
        cacheBytes = runs[0].cacheBytes
        unprunedCacheBytes = runs[0].unprunedCacheBytes
        peakBytes = result.peakBytes.max()
        prefillSpeedup = speedup(\.prefillSeconds)
        timeToFirstTokenSpeedup = speedup(\.firstTokenSeconds)
        endToEndSpeedup = speedup(\.totalSeconds)
    }
}

/// The value below which the given part of the sorted values lies, interpolated linearly.
func quantile(_ values: [Double], _ part: Double) -> Double {
    let sorted = values.sorted()
    let place = part * Double(sorted.count - 1)
    let (lower, upper) = (Int(place.rounded(.down)), Int(place.rounded(.up)))
    return sorted[lower] + (sorted[upper] - sorted[lower]) * (place - Double(lower))
}
