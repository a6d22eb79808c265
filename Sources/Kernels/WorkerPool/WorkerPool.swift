// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Synchronization

/// A fork-join pool on long-lived Dispatch threads.
///
/// The caller is one of the threads. Between jobs the others spin for a moment, because the next
/// matrix product usually follows within microseconds, and then park until they are needed.
public final class WorkerPool: Sendable {
    /// Threads that work on a job, the caller included.
    public var threadCount: Int { forkJoin.workerCount + 1 }

    let forkJoin: ForkJoin
    /// Jobs of several callers take turns.
    private let turn = Mutex(())

    /// The most threads of a pool: Dispatch gives a process no more than 255 at a time, and pools
    /// share them.
    public static let maximumThreadCount = 128

    /// Longer than the serial part between two products and than waking a thread takes (5–50 µs), far
    /// shorter than a time slice (3 ms) of a thread that has lost its core.
    private static let spinTime = Duration.microseconds(50)

    /// Starts `threadCount - 1` workers; a count outside 1…`maximumThreadCount` means the nearest.
    public init(threadCount: Int = PhysicalCores.count()) {
        forkJoin = Self.start(threadCount, spinTime: Self.spinTime)
    }

    init(threadCount: Int, spinTime: Duration) {
        forkJoin = Self.start(threadCount, spinTime: spinTime)
    }

    private static func start(_ threadCount: Int, spinTime: Duration) -> ForkJoin {
        let workerCount = min(max(1, threadCount), maximumThreadCount) - 1
        let forkJoin = ForkJoin(workerCount: workerCount, spinTime: spinTime)
        for worker in 0..<workerCount {
            // A serial queue of its own gives every worker a thread that no other work can take.
            DispatchQueue(label: "trimllava.worker.\(worker + 1)", qos: .userInitiated)
                .async { forkJoin.work(worker) }
        }
        return forkJoin
    }

    deinit { forkJoin.stop() }

    /// Calls `body(index, thread)` once for every index below `count`, and returns when all are done.
    ///
    /// Indices are handed out one by one, in rising order, so a busy or slow core does not hold up the
    /// others, and a worker that gets no core is not waited for. `thread` is below `threadCount` and
    /// is never shared by two calls that run at the same time. A job must not start another one on the
    /// same pool.
    public func forEach(_ count: Int, _ body: (_ index: Int, _ thread: Int) -> Void) {
        turn.withLock { _ in
            if count > 1, forkJoin.workerCount > 0 {
                forkJoin.run(count, body)
            } else {
                for index in 0..<max(0, count) { body(index, 0) }
            }
        }
    }
}
