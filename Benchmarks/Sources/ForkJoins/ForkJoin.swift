// SPDX-License-Identifier: Apache-2.0
import CTileLoops
import Dispatch
import WorkerPool

/// A way to divide a job's tiles among threads.
public struct ForkJoin: Sendable {
    /// Its name in tables.
    public let name: String
    private let run: @Sendable (_ count: Int, _ job: TileJob) -> Void

    /// Runs all tiles of a job and returns when they are done.
    public func callAsFunction(_ job: TileJob) { run(job.count, job) }

    /// All fork-joins that this build has, for the same number of threads.
    ///
    /// Dispatch chooses its own number: one thread per active processor.
    public static func all(threads: Int) -> [ForkJoin] {
        let pool = WorkerPool(threadCount: threads)
        let ours = ForkJoin(name: "WorkerPool") { count, job in
            pool.forEach(count) { index, _ in job.tile(job.context, index) }
        }
        let dispatch = ForkJoin(name: "concurrentPerform") { count, job in
            DispatchQueue.concurrentPerform(iterations: count) { job.tile(job.context, $0) }
        }
        let openMP = ForkJoin(name: "OpenMP") { count, job in
            openmp_for_each(count, Int32(threads), job.tile, job.context)
        }
        return has_openmp() ? [ours, dispatch, openMP] : [ours, dispatch]
    }
}

/// Work in tiles: a kernel's or synthetic.
public struct TileJob: @unchecked Sendable {
    /// Tiles of the job.
    public let count: Int
    let tile: tile_function
    let context: UnsafeMutableRawPointer

    /// A job of `count` calls of `tile(context, index)`.
    ///
    /// The context must outlive it.
    public init(count: Int, context: UnsafeMutableRawPointer, tile: @escaping tile_function) {
        self.count = count
        self.tile = tile
        self.context = context
    }
}
