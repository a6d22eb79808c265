// SPDX-License-Identifier: Apache-2.0
import ModelStore
import Synchronization
import TrimLLaVA

/// Tells the user how a download goes: a bar on a terminal, a line every tenth otherwise.
final class PullReport: Sendable {
    private let state: Mutex<State>

    /// - Parameter quiet: whether only errors are told.
    convenience init(quiet: Bool) {
        self.init(quiet: quiet, showsBar: Terminal.takesEscapes) { StandardError.report($0) }
    }

    init(quiet: Bool, showsBar: Bool, report: @escaping @Sendable (String) -> Void) {
        state = Mutex(State(quiet: quiet, showsBar: showsBar, report: report))
    }

    /// Shows what a download does, on any thread.
    func show(_ progress: PullProgress) { state.withLock { $0.show(progress, at: .now) } }

    /// Removes the bar.
    func finish() { state.withLock { $0.bar.erase() } }

    private struct State: ~Copyable {
        let quiet: Bool
        let showsBar: Bool
        let report: @Sendable (String) -> Void
        let bar: ProgressLine
        var rate = TransferRate()
        /// The file and the tenth, or the state, that was told last.
        var told = ""

        init(quiet: Bool, showsBar: Bool, report: @escaping @Sendable (String) -> Void) {
            (self.quiet, self.showsBar, self.report) = (quiet, showsBar, report)
            bar = ProgressLine(quiet: quiet || !showsBar, patience: .zero)
        }

        mutating func show(_ progress: PullProgress, at time: ContinuousClock.Instant) {
            guard !quiet else { return }
            switch progress {
            case .waiting(let file):
                tell("waiting for another process, which downloads \(file.path)")
            case .checking(let file, let done):
                bar.show("checking \(file.path): \(file.percent(done)) % of what is here")
            case .downloading(let file, let done):
                rate.add(done, of: file.path, at: time)
                bar.show(TransferLine.text(file, done: done, bytesPerSecond: rate.bytesPerSecond))
                if !showsBar {
                    tell(
                        "\(file.title): \(file.percent(done) / 10 * 10) % of \(byteCountText(file.size))"
                    )
                }
            case .retrying(let file, let reason, let seconds):
                tell("\(file.path): \(reason); trying again in \(TransferLine.time(seconds))")
                told = ""
            case .finished(let file, isNew: true):
                tell("\(file.title): downloaded and checked, \(byteCountText(file.size))")
            case .finished(_, isNew: false): break
            }
        }

        /// Prints a line that was not printed just before.
        private mutating func tell(_ line: String) {
            guard line != told else { return }
            told = line
            bar.erase()
            report(line)
        }
    }
}

extension PulledFile {
    /// Its path and which of the model's files it is.
    fileprivate var title: String { count > 1 ? "\(path) (\(number) of \(count))" : path }

    /// The share of its bytes that is there, from 0 to 100.
    fileprivate func percent(_ done: Int) -> Int {
        size == 0 ? 100 : Int(Double(done) / Double(size) * 100)
    }
}

/// The rate at which a file comes, over the last seconds.
struct TransferRate {
    private static let seconds = 8.0

    private var path = ""
    private var samples: [(time: ContinuousClock.Instant, bytes: Int)] = []

    /// Bytes per second; nil until there are enough samples.
    private(set) var bytesPerSecond: Double?

    /// Notes that a file has so many bytes.
    mutating func add(_ bytes: Int, of path: String, at time: ContinuousClock.Instant) {
        if path != self.path || bytes < samples.last?.bytes ?? 0 {
            (self.path, samples, bytesPerSecond) = (path, [], nil)
        }
        if let last = samples.last, time - last.time < ProgressLine.interval { return }
        samples.append((time, bytes))
        samples.removeAll { (time - $0.time) / .seconds(1) > Self.seconds }
        guard let first = samples.first, time > first.time else { return }
        bytesPerSecond = Double(bytes - first.bytes) / ((time - first.time) / .seconds(1))
    }
}

/// The line of a file that is downloaded.
enum TransferLine {
    private static let barWidth = 20

    /// The bar, the bytes, the rate and the time that is left.
    static func text(_ file: PulledFile, done: Int, bytesPerSecond: Double?) -> String {
        let share = file.size == 0 ? 1 : Double(done) / Double(file.size)
        let full = Int(share * Double(barWidth))
        let bar =
            String(repeating: "#", count: full)
            + String(repeating: ".", count: max(0, barWidth - full))
        var line =
            "[\(bar)] \(file.percent(done)) %  \(byteCountText(done)) of \(byteCountText(file.size))"
        if let bytesPerSecond, bytesPerSecond > 0 {
            let left = Double(file.size - done) / bytesPerSecond
            line += "  \(byteCountText(Int(bytesPerSecond)))/s  \(time(left)) left"
        }
        return "\(line)  \(escapingControls(file.title, keepingLines: false))"
    }

    /// A number of seconds, as `42 s`, `3:07 min` or `2:05 h`.
    static func time(_ seconds: Double) -> String {
        let all = Int(min(seconds.rounded(.up), 1e9))
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        switch all {
        case ..<60: return "\(all) s"
        case ..<3600: return "\(all / 60):\(two(all % 60)) min"
        default: return "\(all / 3600):\(two(all / 60 % 60)) h"
        }
    }
}
