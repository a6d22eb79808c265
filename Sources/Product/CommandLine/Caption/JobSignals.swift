// SPDX-License-Identifier: Apache-2.0
import Captioning
import Dispatch
import Foundation
import Synchronization

/// Makes Ctrl-C finish what is in flight, and a second one, or a request to terminate, stop at once.
final class JobSignals {
    private static let handled = [SIGINT, SIGTERM]

    private let sources: [any DispatchSourceSignal]

    /// Takes the signals over.
    ///
    /// - Parameter onFirst: called, on another thread, when Ctrl-C comes for the first time.
    init(_ control: JobControl, onFirst: @escaping @Sendable () -> Void) {
        let queue = DispatchQueue(label: "trimllava.signals")
        sources = Self.handled.map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler {
                if control.cancellation.isCancelled {
                    // Whatever is written by now is whole, or will be repaired.
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

    /// Gives the signals their usual meaning back.
    func stop() {
        for (source, number) in zip(sources, Self.handled) {
            source.cancel()
            signal(number, SIG_DFL)
        }
    }
}
