// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Foundation
import Logging
import Serving
import Synchronization

/// The first SIGTERM or Ctrl-C lets the server finish its answers; a second one ends the process.
final class ServeSignals {
    private static let handled = [SIGINT, SIGTERM]

    private let sources: [any DispatchSourceSignal]

    /// Installs the handlers.
    init(_ server: LLaVAServer, _ log: Logger) {
        let queue = DispatchQueue(label: "trimllava.serve.signals")
        let count = SignalCount()
        sources = Self.handled.map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler {
                // `exit` would run clean-up that frees memory under threads that still use it.
                guard count.isFirst() else { _exit(128 + number) }
                log.info("stopping: answers on their way are finished; a second signal ends them")
                server.stop()
            }
            source.resume()
            return source
        }
        // A client that has left is an error of the write, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
    }

    /// Restores the default handlers.
    func stop() {
        for (source, number) in zip(sources, Self.handled) {
            source.cancel()
            signal(number, SIG_DFL)
        }
    }
}

private final class SignalCount: Sendable {
    private let count = Mutex(0)

    func isFirst() -> Bool {
        count.withLock { count in
            count += 1
            return count == 1
        }
    }
}

/// Notices when the process that started this one has ended.
final class ParentWatch {
    private let timer: any DispatchSourceTimer

    /// Looks every second.
    ///
    /// - Parameter onEnd: called when another process has become the parent.
    init(onEnd: @escaping @Sendable () -> Void) {
        let parent = getppid()
        timer = DispatchSource.makeTimerSource(
            queue: DispatchQueue(label: "trimllava.serve.parent"))
        timer.schedule(deadline: .now() + 1, repeating: 1)
        timer.setEventHandler { if getppid() != parent { onEnd() } }
        timer.resume()
    }

    /// Looks no more.
    func stop() { timer.cancel() }
}
