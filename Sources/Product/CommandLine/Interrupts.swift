// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Foundation

/// Turns Ctrl-C into a call instead of the program's end.
final class Interrupts {
    /// What a shell expects of a program that an interrupt ended: 128 + SIGINT.
    static let exitCode: Int32 = 130

    private let source: any DispatchSourceSignal

    /// Calls `handler`, on a thread of its own, for each interrupt.
    init(_ handler: @escaping @Sendable () -> Void) {
        signal(SIGINT, SIG_IGN)
        source = DispatchSource.makeSignalSource(
            signal: SIGINT, queue: DispatchQueue(label: "trimllava.interrupts"))
        source.setEventHandler(handler: handler)
        source.resume()
    }

    /// Gives interrupts their usual meaning back.
    func stop() {
        source.cancel()
        signal(SIGINT, SIG_DFL)
    }
}
