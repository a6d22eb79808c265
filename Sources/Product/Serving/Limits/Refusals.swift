// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOCore
import Synchronization

/// Counts the requests that are refused because there are too many connections, and logs their number.
///
/// A flood of them must not flood the log: the first is logged at once, the others together after a while.
final class Refusals: Sendable {
    private struct State {
        /// Refusals that no line tells of.
        var unlogged = 0
        /// Whether a line was written a short while ago.
        var isResting = false
    }

    private let log: Logger
    private let metrics: Metrics
    private let limits: ServingLimits
    private let state = Mutex(State())

    init(log: Logger, metrics: Metrics, limits: ServingLimits) {
        (self.log, self.metrics, self.limits) = (log, metrics, limits)
    }

    /// A request on a loop is refused.
    func note(on loop: any EventLoop) {
        metrics.connectionRefused()
        let isResting = state.withLock { state in
            state.unlogged += 1
            return state.isResting
        }
        if !isResting { writeLine(loop) }
    }

    /// Logs the refusals since the last line, if there are any, and again after a while.
    private func writeLine(_ loop: any EventLoop) {
        let count = state.withLock { state in
            defer { state.unlogged = 0 }
            state.isResting = state.unlogged > 0
            return state.unlogged
        }
        guard count > 0 else { return }
        log.warning(
            "requests were refused: too many connections",
            metadata: ["refused": "\(count)", "limit": "\(limits.connections)"])
        loop.scheduleTask(in: .seconds(Int64(limits.refusalLogSeconds))) { self.writeLine(loop) }
    }
}
