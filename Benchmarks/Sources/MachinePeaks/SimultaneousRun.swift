// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Synchronization

/// Lets each of `threads` threads run `body` once, with its number, from a common start.
///
/// Returns the seconds until the last one ends, in the fastest repetition.
func shortestSeconds(
    threads: Int, repetitions: Int, _ body: @escaping @Sendable (_ thread: Int) -> Void
) -> Double {
    let line = StartLine(threads: threads)
    let others = DispatchGroup()
    for thread in 1..<max(1, threads) {
        // A separate serial queue gives every thread its own worker.
        DispatchQueue(label: "peaks.\(thread)", qos: .userInitiated).async(group: others) {
            for _ in 0..<repetitions {
                line.wait()
                body(thread)
                line.wait()
            }
        }
    }
    var shortest = Duration.seconds(Int64.max)
    for _ in 0..<repetitions {
        line.wait()
        let duration = ContinuousClock().measure {
            body(0)
            line.wait()
        }
        shortest = min(shortest, duration)
    }
    others.wait()
    return shortest / .seconds(1)
}

/// A barrier at which threads spin until all of them have arrived.
private final class StartLine: Sendable {
    private let threads: Int
    private let arrivals = Atomic<Int>(0)

    init(threads: Int) { self.threads = threads }

    func wait() {
        let arrival = arrivals.add(1, ordering: .acquiringAndReleasing).oldValue
        let complete = (arrival / threads + 1) * threads
        while arrivals.load(ordering: .acquiring) < complete {}
    }
}
