// SPDX-License-Identifier: Apache-2.0
import Foundation
import TrimLLaVA

/// The results of `trimllava bench`, one row per setting.
struct BenchReport {
    /// Medians over the repetitions.
    struct Row: Encodable {
        let selector: String
        let keep: String
        /// The limits that make the same smaller pictures; nil for whole pictures, and where each has its own.
        let maxTiles: Int?
        let maxPixels: Int?
        let positions: String
        let visualTokens: Int
        let keptTokens: Int
        let promptTokens: Int
        /// The prompt's tokens that were read from `--pack-cache`.
        let storedPromptTokens: Int
        let generatedTokens: Int
        let cacheBytes: Int
        let unprunedCacheBytes: Int
        let peakMemoryBytes: Int?
        let visionSeconds: Double
        /// The part of `visionSeconds` that the projector takes.
        let projectorSeconds: Double
        let selectSeconds: Double
        let prefillSeconds: Double
        let decodeSeconds: Double
        /// The part of prefill and decode that the LM head takes.
        let lmHeadSeconds: Double
        let firstTokenSeconds: Double
        let firstTokenSpreadSeconds: Double
        let totalSeconds: Double
        let decodeTokensPerSecond: Double
        let prefillSpeedup: Double
        let firstTokenSpeedup: Double
        let totalSpeedup: Double
    }

    let rows: [Row]

    init(_ results: [BenchRunner.Result]) {
        let unpruned = results[0].statistics
        rows = results.map { result in Row(result, against: unpruned) }
    }

    private typealias Column = (heading: String, field: String, text: @Sendable (Row) -> String)

    private static let words: [Column] = [
        ("selector", "selector", { $0.selector }),
        ("keep", "keep", { $0.keep }),
    ]

    /// For models that can see less of pictures.
    private static let limits: [Column] = [
        ("max tiles", "max_tiles", { $0.maxTiles.map { "\($0)" } ?? "" }),
        ("max pixels", "max_pixels", { $0.maxPixels.map { "\($0)" } ?? "" }),
    ]

    private static let numbers: [Column] = [
        ("visual tokens", "visual_tokens", { "\($0.visualTokens)" }),
        ("kept", "kept_tokens", { "\($0.keptTokens)" }),
        ("stored", "stored_prompt_tokens", { "\($0.storedPromptTokens)" }),
        ("vision s", "vision_seconds", { seconds($0.visionSeconds) }),
        ("select s", "select_seconds", { seconds($0.selectSeconds) }),
        ("prefill s", "prefill_seconds", { seconds($0.prefillSeconds) }),
        ("first token s", "first_token_seconds", { seconds($0.firstTokenSeconds) }),
        ("± s", "first_token_spread_seconds", { seconds($0.firstTokenSpreadSeconds) }),
        ("tokens/s", "decode_tokens_per_second", { ratio($0.decodeTokensPerSecond) }),
        ("LM head s", "lm_head_seconds", { seconds($0.lmHeadSeconds) }),
        ("total s", "total_seconds", { seconds($0.totalSeconds) }),
        ("KV MiB", "cache_bytes", { mebibytes($0.cacheBytes) }),
        ("peak MiB", "peak_memory_bytes", { $0.peakMemoryBytes.map(mebibytes) ?? "" }),
        ("prefill ×", "prefill_speedup", { ratio($0.prefillSpeedup) }),
        ("first token ×", "first_token_speedup", { ratio($0.firstTokenSpeedup) }),
        ("total ×", "total_speedup", { ratio($0.totalSpeedup) }),
    ]

    /// The rows as text.
    var table: ResultTable {
        let limits = Self.limits.filter { column in
            rows.contains { !column.text($0).isEmpty }
        }
        let columns = Self.words + limits + Self.numbers
        return ResultTable(
            columns: columns.map { .init(heading: $0.heading, field: $0.field) },
            cells: rows.map { row in columns.map { $0.text(row) } },
            wordColumns: Self.words.count)
    }

    /// About four significant digits: a small model needs milliseconds, a large one minutes.
    private static func seconds(_ seconds: Double) -> String {
        String(format: seconds < 1 ? "%.4f" : seconds < 100 ? "%.2f" : "%.0f", seconds)
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
        func seconds(_ value: (GenerationStatistics) -> Double) -> Double {
            OutputSchema.seconds(median(value))
        }
        func speedup(_ value: (GenerationStatistics) -> Double) -> Double {
            quantile(unpruned.map(value), 0.5) / max(median(value), .leastNonzeroMagnitude)
        }
        let first = runs.map(\.firstTokenSeconds)
        selector = result.setting.method
        keep = result.setting.kept
        maxTiles = result.limits?.mostTiles
        maxPixels = result.limits?.mostPixels
        positions = runs[0].usesCompactPositions ? "compact" : "original"
        visualTokens = runs[0].unprunedVisualRows
        keptTokens = runs[0].visualRows
        promptTokens = runs[0].promptRows
        storedPromptTokens = runs[0].storedRows
        generatedTokens = runs[0].generatedTokens
        cacheBytes = runs[0].cacheBytes
        unprunedCacheBytes = runs[0].unprunedCacheBytes
        peakMemoryBytes = result.peakBytes.max()
        visionSeconds = seconds { $0.visionSeconds + $0.projectionSeconds }
        projectorSeconds = seconds(\.projectionSeconds)
        selectSeconds = seconds(\.selectionSeconds)
        prefillSeconds = seconds(\.prefillSeconds)
        decodeSeconds = seconds(\.decodeSeconds)
        lmHeadSeconds = seconds(\.outputSeconds)
        firstTokenSeconds = seconds(\.firstTokenSeconds)
        firstTokenSpreadSeconds = OutputSchema.seconds(
            (quantile(first, 0.75) - quantile(first, 0.25)) / 2)
        totalSeconds = seconds(\.totalSeconds)
        decodeTokensPerSecond = OutputSchema.rate(median(\.decodeTokensPerSecond))
        prefillSpeedup = OutputSchema.rate(speedup(\.prefillSeconds))
        firstTokenSpeedup = OutputSchema.rate(speedup(\.firstTokenSeconds))
        totalSpeedup = OutputSchema.rate(speedup(\.totalSeconds))
    }
}

/// The quantile of sorted values, interpolated linearly.
func quantile(_ values: [Double], _ part: Double) -> Double {
    let sorted = values.sorted()
    let place = part * Double(sorted.count - 1)
    let (lower, upper) = (Int(place.rounded(.down)), Int(place.rounded(.up)))
    return sorted[lower] + (sorted[upper] - sorted[lower]) * (place - Double(lower))
}
