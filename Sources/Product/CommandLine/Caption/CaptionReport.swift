// SPDX-License-Identifier: Apache-2.0
import Captioning
import Foundation
import TrimLLaVA

/// Reports a job's progress on standard error: in one changing line on a terminal, else in occasional lines.
final class CaptionReport {
    /// Seconds between the lines of a log.
    static let logInterval = 30.0
    /// The most failures that are printed; the records have all of them.
    static let printedFailures = 20

    private let quiet: Bool
    private let line: ProgressLine
    private let isTerminal = Terminal.takesEscapes
    private var nextLog = CaptionReport.logInterval
    private var failures = 0
    /// What is said once if pictures become very many visual tokens.
    var note: ManyTokensNote?

    init(quiet: Bool) {
        self.quiet = quiet
        line = ProgressLine(quiet: quiet)
    }

    /// Reports the plan.
    ///
    /// - Parameter unsearchedFolders: subfolders that were not searched for pictures.
    func begin(_ plan: JobPlan, _ statistics: JobStatistics, unsearchedFolders: Int) {
        guard !quiet else { return }
        var text = "pictures: \(plan.tasks.count) to caption"
        let others = [
            (plan.finishedCount, "captioned before"), (plan.skippedCount, "skipped"),
            (statistics.duplicates, "named again"), (plan.failures.count, "not readable"),
            (plan.sidecarFailures.count, "without sidecars"),
        ]
        for (count, what) in others where count > 0 { text += ", \(count) \(what)" }
        StandardError.print(text)
        if unsearchedFolders > 0 {
            StandardError.print(
                "subfolders: \(unsearchedFolders) not searched; --recursive searches them")
        }
        if let text = Self.otherVersions(plan.otherVersionCount) { StandardError.print(text) }
    }

    /// The message about captions that another version of the program made; nil for none.
    static func otherVersions(_ count: Int) -> String? {
        guard count > 0 else { return nil }
        let captions = count == 1 ? "1 caption comes" : "\(count) captions come"
        return "records: \(captions) from another version of TrimLLaVA than "
            + "\(Release.version); kept"
    }

    /// Shows the progress.
    func show(_ statistics: JobStatistics) {
        guard !quiet else { return }
        if statistics.captions > 0, let note {
            let mean = statistics.visualTokens / statistics.captions
            if let text = note.text("pictures become on average", tokens: mean) {
                line.erase()
                StandardError.report("note: \(text)")
                self.note = nil
            }
        }
        if isTerminal {
            line.show(Self.progress(statistics, columns: Terminal.columns - 1))
        } else if statistics.seconds >= nextLog {
            nextLog = statistics.seconds + Self.logInterval
            StandardError.print(Self.progress(statistics))
        }
    }

    /// Reports a failure.
    func failed(_ message: String) {
        failures += 1
        guard !quiet, failures <= Self.printedFailures else { return }
        line.erase()
        StandardError.report(escapingControls(message, keepingLines: false))
        if failures == Self.printedFailures {
            StandardError.report("further failures are in the records only")
        }
    }

    /// Confirms the first Ctrl-C.
    var finishing: @Sendable () -> Void {
        let quiet = quiet
        return {
            guard !quiet else { return }
            StandardError.print("\nfinishing the captions in flight; Ctrl-C again stops at once")
        }
    }

    /// Prints the summary.
    func end(_ statistics: JobStatistics) {
        line.erase()
        if !quiet { StandardError.print(Self.summary(statistics)) }
    }

    /// A job's state in one line.
    ///
    /// If the line is too narrow, the least important parts are left out.
    static func progress(_ statistics: JobStatistics, columns: Int = .max) -> String {
        var parts: [(rank: Int, text: String)] = [
            (0, "\(statistics.done)/\(statistics.pictures) pictures"),
            (3, String(format: "%.1f pictures/min", statistics.picturesPerMinute)),
            (4, String(format: "%.1f tokens/s", statistics.tokensPerSecond)),
        ]
        if let kept = keptText(statistics) { parts.append((5, kept)) }
        if statistics.failed > 0 { parts.append((2, "\(statistics.failed) failed")) }
        if let left = statistics.secondsLeft { parts.append((1, "\(duration(left)) left")) }
        var line = parts.map(\.text).joined(separator: ", ")
        while line.count > columns, let last = parts.map(\.rank).max(), last > 0 {
            parts.removeAll { $0.rank == last }
            line = parts.map(\.text).joined(separator: ", ")
        }
        return line
    }

    /// A job's results and costs in a few lines.
    static func summary(_ statistics: JobStatistics) -> String {
        var text = "pictures: \(statistics.captioned) captioned"
        if statistics.failed > 0 { text += ", \(statistics.failed) failed" }
        guard statistics.captions > 0 else { return text }
        if statistics.endedByLength > 0 {
            text +=
                ", \(statistics.endedByLength) of \(statistics.captions) captions cut by length,"
        }
        text += String(
            format: " in %@: %.1f pictures/min, %.1f tokens/s with %d in parallel",
            duration(statistics.seconds), statistics.picturesPerMinute,
            statistics.tokensPerSecond, statistics.parallel)
        if let kept = keptText(statistics) { text += "; \(kept)" }
        text += String(
            format: "\nvision %@, decoder %@, waiting for pictures %@; KV cache at most %@",
            duration(statistics.visionSeconds), duration(statistics.decoderSeconds),
            duration(statistics.waitingSeconds), byteCountText(statistics.cacheBytes))
        return text
    }

    private static func keptText(_ statistics: JobStatistics) -> String? {
        guard statistics.captions > 0, statistics.visualTokens > 0 else { return nil }
        let count = Double(statistics.captions)
        return String(
            format: "kept %.0f of %.0f visual tokens", Double(statistics.keptTokens) / count,
            Double(statistics.visualTokens) / count)
    }

    /// A readable duration, such as `2 h 05 min`.
    static func duration(_ seconds: Double) -> String {
        switch seconds {
        case ..<60: String(format: "%.1f s", seconds)
        case ..<3600: String(format: "%d min %02d s", Int(seconds) / 60, Int(seconds) % 60)
        default: String(format: "%d h %02d min", Int(seconds) / 3600, Int(seconds) % 3600 / 60)
        }
    }
}
