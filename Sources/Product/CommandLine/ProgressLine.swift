// SPDX-License-Identifier: Apache-2.0
import Foundation
import TrimLLaVA

/// A line on a terminal that says what is being waited for.
final class ProgressLine {
    /// Faster changes could not be read.
    static let interval = Duration.milliseconds(200)

    private let isEnabled: Bool
    private let columns: () -> Int
    private let write: (String) -> Void
    private var nextChange: ContinuousClock.Instant
    private var isShown = false

    /// A line on standard error, if that is a terminal on which a line can be changed.
    ///
    /// - Parameter patience: what is over sooner is not worth a line.
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

    /// Says how far a prompt is.
    func show(_ progress: PromptProgress) { show(Self.text(progress)) }

    /// Says how far a model is.
    func show(_ progress: LoadProgress) { show(Self.text(progress)) }

    /// Says how many of a number of things are done.
    func show(_ done: Int, of all: Int, _ things: String) {
        show("\(done) of \(all) \(things)")
    }

    /// Says anything else.
    func show(_ text: @autoclosure () -> String) {
        let now = ContinuousClock.now
        guard isEnabled, now >= nextChange else { return }
        nextChange = now + Self.interval
        isShown = true
        // In the last column the cursor would be on the next line, which cannot be taken back.
        write("\r\(text().prefix(max(0, columns() - 1)))\u{1B}[K")
    }

    /// Takes the line away, so that other text can stand there.
    func erase() {
        guard isShown else { return }
        isShown = false
        write("\r\u{1B}[K")
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
