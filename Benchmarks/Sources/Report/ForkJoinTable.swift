// SPDX-License-Identifier: Apache-2.0
import ForkJoins
import Foundation

/// Prints the overhead of dividing a job among `threads`, for jobs of one tile per thread.
///
/// The overhead is the median time of a job of 20 µs tiles minus the time of one tile. It is measured back to
/// back, after pauses of 20 µs, when threads still spin, and after pauses of 2 ms, when they have parked.
func printForkJoins(threads: Int) {
    let empty = SyntheticTiles(count: threads, microseconds: 0)
    let short = SyntheticTiles(count: threads, microseconds: 20)
    let tile = median(of: 5_000) { short.runOne() }
    var rows = [["µs per job of \(threads) tiles", "empty", "20 µs", "overhead", "p99"]]
    rows[0] += ["after 20 µs", "after 2 ms", "allocations"]
    for forkJoin in ForkJoin.all(threads: threads) {
        for _ in 0..<500 { forkJoin(short.job) }
        let emptyJob = median(of: 20_000) { forkJoin(empty.job) }
        let times = sortedTimes(of: 20_000) { forkJoin(short.job) }
        let shortJob = times[times.count / 2]
        let afterGap = median(of: 5_000, pause: { short.runOne() }, { forkJoin(short.job) })
        let afterSleep = median(of: 500, pause: { usleep(2_000) }, { forkJoin(short.job) })
        rows.append(
            [forkJoin.name]
                + [emptyJob, shortJob, shortJob - tile, times[times.count * 99 / 100]]
                .map { decimal($0, digits: 2) }
                + [afterGap - tile, afterSleep - tile].map { "+" + decimal($0, digits: 2) }
                + [allocations(of: 10_000) { forkJoin(empty.job) }])
    }
    printTable(rows)
}

private func median(of runs: Int, pause: () -> Void = {}, _ body: () -> Void) -> Double {
    sortedTimes(of: runs, pause: pause, body)[runs / 2]
}

/// The microseconds of each run, shortest first.
private func sortedTimes(
    of runs: Int, pause: () -> Void = {}, _ body: () -> Void
) -> [Double] {
    (0..<runs).map { _ in
        pause()
        return ContinuousClock().measure(body) / .microseconds(1)
    }.sorted()
}
