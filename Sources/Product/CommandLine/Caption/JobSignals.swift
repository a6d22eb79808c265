// SPDX-License-Identifier: Apache-2.0
import Captioning
import Dispatch
import Foundation
import Synchronization

/// The first Ctrl-C lets the job finish the captions in flight.
///
/// A second one, or SIGTERM, stops the job at once. A further signal ends the process.
final class JobSignals {
    private static let handled = [SIGINT, SIGTERM]

    private let sources: [any DispatchSourceSignal]

    /// Installs the handlers.
    ///
    /// - Parameter onFirst: called on another thread on the first Ctrl-C.
    init(_ control: JobControl, onFirst: @escaping @Sendable () -> Void) {
        let queue = DispatchQueue(label: "trimllava.signals")
        sources = Self.handled.map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler {
                if control.cancellation.isCancelled {
                    // The outputs are complete, or the next run repairs them.
                    _exit(128 + number)
                } else if control.isFinishing || number == SIGTERM {
                    control.stop()
                } else {
                    control.finish()
                    onFirst()
                }
            }
            source.resume()
            return source
        }
    }

    /// Restores the default handlers.
    func stop() {
        for (source, number) in zip(sources, Self.handled) {
            source.cancel()
            signal(number, SIG_DFL)
        }
    }
}
