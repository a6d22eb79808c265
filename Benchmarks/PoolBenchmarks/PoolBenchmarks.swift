// SPDX-License-Identifier: Apache-2.0
import Benchmark
import ForkJoins
import WorkerPool

/// Times one fork-join with one tile per thread: empty tiles, and tiles of 20 µs.
let benchmarks: @Sendable () -> Void = {
    let threads = PhysicalCores.count()
    for forkJoin in ForkJoin.all(threads: threads) {
        for microseconds in [0.0, 20.0] {
            Benchmark(
                "\(forkJoin.name), \(threads) tiles of \(Int(microseconds)) µs",
                configuration: .init(
                    metrics: [.wallClock, .cpuTotal], warmupIterations: 100,
                    maxDuration: .seconds(2), maxIterations: 20_000)
            ) { benchmark in
                let tiles = SyntheticTiles(count: threads, microseconds: microseconds)
                benchmark.startMeasurement()
                forkJoin(tiles.job)
                benchmark.stopMeasurement()
            }
        }
    }
}
