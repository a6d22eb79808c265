// SPDX-License-Identifier: Apache-2.0
import Foundation
import TrimLLaVA

/// A line on a terminal that shows what the user is waiting for.
final class ProgressLine {
    /// The time between changes; faster ones would be unreadable.
    static let interval = Duration.milliseconds(200)

    private let isEnabled: Bool
    private let columns: () -> Int
    private let write: (String) -> Void
    private var nextChange: ContinuousClock.Instant
    private var isShown = false

    /// A line on standard error, if that is a terminal with escape sequences.
    ///
    /// - Parameter patience: the time before the line appears; shorter work shows none.
    convenience init(quiet: Bool, patience: Duration = interval) {
        self.init(
            isEnabled: !quiet && Terminal.takesEscapes, patience: patience,
            columns: { Terminal.columns }, write: StandardError.write)
    }

    init(
        isEnabled: Bool, patience: Duration = interval, columns: @escaping () -> Int = { .max },
        write: @escaping (String) -> Void
    ) {
        self.isEnabled = isEnabled
        self.columns = columns
        self.write = write
        nextChange = .now + patience
    }

    /// Shows the progress of a prompt.
    func show(_ progress: PromptProgress) { show(Self.text(progress)) }

    /// Shows the progress of loading a model.
    func show(_ progress: LoadProgress) { show(Self.text(progress)) }

    /// Shows how many of a number of things are done.
    func show(_ done: Int, of all: Int, _ things: String) {
        show("\(done) of \(all) \(things)")
    }

    /// Shows any text.
    func show(_ text: @autoclosure () -> String) {
        let now = ContinuousClock.now
        guard isEnabled, now >= nextChange else { return }
        nextChange = now + Self.interval
        isShown = true
        // A character in the last column would wrap the cursor to the next line, which cannot be undone.
        write("\r\(text().prefix(max(0, columns() - 1)))\u{1B}[K")
    }

    /// Removes the line to make room for other text.
    func erase() {
        guard isShown else { return }
        isShown = false
        write("\r\u{1B}[K")
    }

    /// Removes the line of any part of the program.
    static func eraseAny() {
        if Terminal.takesEscapes { StandardError.write("\r\u{1B}[K") }
    }

    static func text(_ progress: LoadProgress) -> String {
        switch progress {
        case .packing(let done): "repacking the weights: \(Int(done * 100)) %"
        case .storing(let done): "writing the repacked weights: \(Int(done * 100)) %"
        }
    }

    static func text(_ progress: PromptProgress) -> String {
        switch progress {
        case .encoding(let picture, let count, let done):
            let name = count == 1 ? "the picture" : "picture \(picture + 1) of \(count)"
            return "encoding \(name): \(Int(done * 100)) %"
        case .reading(let done):
            return "processing the prompt: \(Int(done * 100)) %"
        }
    }
}
