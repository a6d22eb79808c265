// SPDX-License-Identifier: Apache-2.0
import ForkJoins
import Foundation

/// Prints the rates of jobs while another process uses one of the processors.
///
/// A perfect division loses half of a core: the other process gets the other half.
func printContention(threads: Int) {
    var rows = [["tiles per ms, \(threads) threads", "quiet", "processor 0 taken", "part"]]
    for (count, microseconds) in [(64, 20.0), (64, 100), (8, 20), (2 * threads, 200)] {
        let tiles = SyntheticTiles(count: count, microseconds: microseconds)
        for forkJoin in ForkJoin.all(threads: threads) {
            let quiet = tilesPerMillisecond(forkJoin, tiles)
            guard let taken = whileProcessorIsTaken({ tilesPerMillisecond(forkJoin, tiles) })
            else {
                print("contention: no program taskset, the table is left out")
                return
            }
            let name = "\(forkJoin.name), \(count) tiles of \(Int(microseconds)) µs"
            rows.append([name, decimal(quiet), decimal(taken), decimal(taken / quiet, digits: 2)])
        }
    }
    printTable(rows)
}

/// The rate over a second, hundreds of the scheduler's time slices.
private func tilesPerMillisecond(_ forkJoin: ForkJoin, _ tiles: SyntheticTiles) -> Double {
    for _ in 0..<20 { forkJoin(tiles.job) }
    let start = ContinuousClock.now
    var jobs = 0
    var elapsed = Duration.zero
    while elapsed < .seconds(1) {
        forkJoin(tiles.job)
        jobs += 1
        elapsed = start.duration(to: .now)
    }
    return Double(jobs * tiles.job.count) / (elapsed / .milliseconds(1))
}

/// Runs `body` beside a busy loop that is bound to processor 0.
func whileProcessorIsTaken(_ body: () throws -> Double) rethrows -> Double? {
    let loop = Process()
    loop.executableURL = URL(filePath: "/usr/bin/env")
    loop.arguments = ["taskset", "-c", "0", "sh", "-c", "while :; do :; done"]
    guard (try? loop.run()) != nil else { return nil }
    usleep(100_000)
    defer {
        loop.terminate()
        loop.waitUntilExit()
    }
    return loop.isRunning ? try body() : nil
}
