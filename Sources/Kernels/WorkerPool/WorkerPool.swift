// SPDX-License-Identifier: Apache-2.0
import CVectorOps
import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A fork-join pool on long-lived Dispatch threads.
///
/// The caller is one of the threads. Between jobs the others spin for a moment, because the next
/// matrix product usually follows within microseconds, and then park until they are needed.
public final class WorkerPool: Sendable {
    /// Threads that work on a job, the caller included.
    public let threadCount: Int

    private let state: WorkerState
    /// Jobs of several callers run one after the other.
    private let turn = Mutex(())

    /// The most threads of a pool: Dispatch gives a process no more than 255 at a time, and a worker
    /// that never gets one would be waited for forever.
    public static let maximumThreadCount = 128

    /// Starts `threadCount - 1` workers; a count outside 1…`maximumThreadCount` means the nearest.
    public init(threadCount: Int = PhysicalCores.count()) {
        self.threadCount = min(max(1, threadCount), Self.maximumThreadCount)
        state = WorkerState(workerCount: self.threadCount - 1)
        for worker in 0..<(self.threadCount - 1) {
            // A serial queue of its own gives every worker a thread that no other work can take.
            DispatchQueue(label: "trimllava.worker.\(worker + 1)", qos: .userInitiated)
                .async { [state] in state.work(worker) }
        }
    }

    deinit { state.stop() }

    /// Workers that wait without using any processor time.
    var parkedWorkerCount: Int { state.parkedWorkerCount }

    /// Calls `body(index, thread)` once for every index below `count`, and returns when all are done.
    ///
    /// Indices are handed out one by one, so a busy core does not hold up the others. `thread` is
    /// below `threadCount` and is never shared by two calls that run at the same time. A job must
    /// not start another one on the same pool.
    public func forEach(_ count: Int, _ body: (_ index: Int, _ thread: Int) -> Void) {
        guard count > 1, threadCount > 1 else {
            turn.withLock { _ in
                for index in 0..<max(0, count) { body(index, 0) }
            }
            return
        }
        turn.withLock { _ in
            withoutActuallyEscaping(body) { state.runJob(count, $0) }
        }
    }
}

/// What the pool and its workers share.
///
/// Workers hold this object and not the pool, so that the pool's end can stop them.
private final class WorkerState: @unchecked Sendable {
    /// Pauses before a worker parks: about 50 µs, longer than the serial part between two products.
    private static let spinLimit = 1_000

    private final class Worker: Sendable {
        let isParked = Atomic<Bool>(false)
        let wakeUp = DispatchSemaphore(value: 0)
    }

    private let workers: [Worker]
    /// Counts jobs; a worker that sees it change takes part in the new one.
    private let epoch = Atomic<Int>(0)
    private let nextIndex = Atomic<Int>(0)
    private let finishedWorkers = Atomic<Int>(0)
    private let isStopped = Atomic<Bool>(false)
    // Written before the epoch changes and read after it: the epoch orders the accesses.
    private var job: ((Int, Int) -> Void)?
    private var indexCount = 0

    init(workerCount: Int) {
        workers = (0..<workerCount).map { _ in Worker() }
    }

    var parkedWorkerCount: Int {
        workers.count { $0.isParked.load(ordering: .sequentiallyConsistent) }
    }

    func runJob(_ count: Int, _ body: @escaping (Int, Int) -> Void) {
        job = body
        indexCount = count
        nextIndex.store(0, ordering: .relaxed)
        finishedWorkers.store(0, ordering: .relaxed)
        announce()
        takeIndices(thread: 0)
        waitForWorkers()
        job = nil
    }

    func stop() {
        isStopped.store(true, ordering: .relaxed)
        announce()
    }

    func work(_ number: Int) {
        let worker = workers[number]
        var seen = 0
        while true {
            waitForJob(after: seen, worker)
            seen &+= 1
            if isStopped.load(ordering: .acquiring) { return }
            takeIndices(thread: number + 1)
            finishedWorkers.add(1, ordering: .releasing)
        }
    }

    /// Spins for the last indices of the other threads, but leaves the core to a worker that has none.
    private func waitForWorkers() {
        var spins = 0
        while finishedWorkers.load(ordering: .acquiring) < workers.count {
            spin_pause()
            spins &+= 1
            if spins > Self.spinLimit { sched_yield() }
        }
    }

    private func announce() {
        epoch.add(1, ordering: .sequentiallyConsistent)
        for worker in workers
        where worker.isParked.exchange(false, ordering: .sequentiallyConsistent) {
            worker.wakeUp.signal()
        }
    }

    private func takeIndices(thread: Int) {
        guard let job else { return }
        while true {
            let index = nextIndex.add(1, ordering: .relaxed).oldValue
            guard index < indexCount else { return }
            job(index, thread)
        }
    }

    /// Spins, then parks.
    ///
    /// Whoever turns `isParked` back to false decides: the announcer then owes a
    /// signal, the worker itself then owes nothing. Sequential consistency of the two flags rules
    /// out that the announcer misses the parking and the worker misses the epoch.
    private func waitForJob(after seen: Int, _ worker: Worker) {
        var spins = 0
        while epoch.load(ordering: .acquiring) == seen {
            spin_pause()
            spins &+= 1
            guard spins > Self.spinLimit else { continue }
            worker.isParked.store(true, ordering: .sequentiallyConsistent)
            let jobArrived = epoch.load(ordering: .sequentiallyConsistent) != seen
            if jobArrived, worker.isParked.exchange(false, ordering: .sequentiallyConsistent) {
                return
            }
            worker.wakeUp.wait()
        }
    }
}
