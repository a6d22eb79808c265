// SPDX-License-Identifier: Apache-2.0
import Foundation
import TrimLLaVA

/// A line on a terminal that says what is being waited for, until the answer begins.
final class ProgressLine {
    /// Faster changes could not be read; what is over sooner is not worth a line.
    private static let interval = Duration.milliseconds(200)

    private let isEnabled: Bool
    private let write: (String) -> Void
    private var lastChange = ContinuousClock.now
    private var isShown = false

    /// A line on standard error, if that is a terminal.
    convenience init(quiet: Bool) {
        self.init(isEnabled: !quiet && isatty(STDERR_FILENO) != 0, write: StandardError.write)
    }

    init(isEnabled: Bool, write: @escaping (String) -> Void) {
        self.isEnabled = isEnabled
        self.write = write
    }

    /// Replaces what the line says.
    func show(_ progress: PromptProgress) {
        guard isEnabled, ContinuousClock.now - lastChange >= Self.interval else { return }
        lastChange = ContinuousClock.now
        isShown = true
        write("\r\(Self.text(progress))\u{1B}[K")
    }

    /// Takes the line away, so that other text can stand there.
    func erase() {
        guard isShown else { return }
        isShown = false
        write("\r\u{1B}[K")
    }

    static func text(_ progress: PromptProgress) -> String {
        switch progress {
        case .encoding(let picture, let count, let done):
            let name = count == 1 ? "the picture" : "picture \(picture + 1) of \(count)"
            return "looking at \(name): \(Int(done * 100)) %"
        case .reading(let done):
            return "reading the prompt: \(Int(done * 100)) %"
        }
    }
}
