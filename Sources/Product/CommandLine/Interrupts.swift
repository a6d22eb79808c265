// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Foundation
import Synchronization
import TrimLLaVA

/// Ctrl-C stops the answer that is being written.
///
/// It ends the program if there is none.
final class Interrupts {
    /// The exit code that shells expect after an interrupt: 128 + SIGINT.
    static let exitCode: Int32 = 130

    private let running = RunningAnswer()
    private let source: any DispatchSourceSignal

    /// Installs the handler.
    init() {
        signal(SIGINT, SIG_IGN)
        source = DispatchSource.makeSignalSource(
            signal: SIGINT, queue: DispatchQueue(label: "trimllava.interrupts"))
        source.setEventHandler { [running] in
            guard !running.cancel() else { return }
            // The shell's prompt goes on a new line.
            if isatty(STDERR_FILENO) != 0 { StandardError.print("") }
            // `exit` would run the libraries' clean-up, which could free memory that threads still use.
            _exit(Self.exitCode)
        }
        source.resume()
    }

    /// Runs `body`; the first interrupt during it cancels it.
    func cancelling<Result>(
        _ cancellation: Cancellation, _ body: () throws -> Result
    ) rethrows -> Result {
        running.set(cancellation)
        defer { running.set(nil) }
        return try body()
    }

    /// Restores the default handler.
    func stop() {
        source.cancel()
        signal(SIGINT, SIG_DFL)
    }
}

/// The answer that is being written.
private final class RunningAnswer: Sendable {
    private let cancellation = Mutex<Cancellation?>(nil)

    func set(_ new: Cancellation?) { cancellation.withLock { $0 = new } }

    /// Cancels the answer; false if there is none or it has been cancelled before.
    func cancel() -> Bool {
        cancellation.withLock { cancellation in
            guard let cancellation, !cancellation.isCancelled else { return false }
            cancellation.cancel()
            return true
        }
    }
}
