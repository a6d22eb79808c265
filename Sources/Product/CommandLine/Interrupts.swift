// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Foundation
import Synchronization
import TrimLLaVA

/// Makes Ctrl-C stop the answer that is being written, and end the program only when there is none.
final class Interrupts {
    /// What a shell expects of a program that an interrupt ended: 128 + SIGINT.
    static let exitCode: Int32 = 130

    private let running = RunningAnswer()
    private let source: any DispatchSourceSignal

    /// Takes interrupts over.
    init() {
        signal(SIGINT, SIG_IGN)
        source = DispatchSource.makeSignalSource(
            signal: SIGINT, queue: DispatchQueue(label: "trimllava.interrupts"))
        source.setEventHandler { [running] in
            guard !running.cancel() else { return }
            // What the shell writes next begins a line.
            if isatty(STDERR_FILENO) != 0 { StandardError.print("") }
            // Without the libraries' clean-up, which could pull memory away from running threads.
            _exit(Self.exitCode)
        }
        source.resume()
    }

    /// Runs `body`, during which the first interrupt cancels.
    func cancelling<Result>(
        _ cancellation: Cancellation, _ body: () throws -> Result
    ) rethrows -> Result {
        running.set(cancellation)
        defer { running.set(nil) }
        return try body()
    }

    /// Gives interrupts their usual meaning back.
    func stop() {
        source.cancel()
        signal(SIGINT, SIG_DFL)
    }
}

/// The answer that is being written.
private final class RunningAnswer: Sendable {
    private let cancellation = Mutex<Cancellation?>(nil)

    func set(_ new: Cancellation?) { cancellation.withLock { $0 = new } }

    /// Cancels the answer; false when there is none, or when it was cancelled before.
    func cancel() -> Bool {
        cancellation.withLock { cancellation in
            guard let cancellation, !cancellation.isCancelled else { return false }
            cancellation.cancel()
            return true
        }
    }
}
