// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// What the caller of a job and the workers share.
///
/// Workers hold this object and not the pool, so that the pool's end can stop them.
final class ForkJoin: @unchecked Sendable {
    /// Indices of the current job that no thread has taken; none or fewer between jobs.
    ///
    /// This counter alone opens a job: a thread takes an index by subtracting one, and owns it if the
    /// counter was positive. A worker that comes late, or never, is not waited for.
    private let untaken = CacheLine(Atomic<Int>(0))
    /// Indices of the current job whose calls have not returned.
    private let unfinished = CacheLine(Atomic<Int>(0))
    private let isStopped = CacheLine(Atomic<Bool>(false))
    private let caller: ParkingSpot
    private let workers: [ParkingSpot]
    // Written before `untaken` opens the job and read by threads that took an index of it, which the
    // job's end waits for.
    private var job: Job?

    private struct Job {
        let count: Int
        let body: BorrowedBody
    }

    init(workerCount: Int, spinTime: Duration) {
        caller = ParkingSpot(spinTime: spinTime)
        workers = (0..<workerCount).map { _ in ParkingSpot(spinTime: spinTime) }
    }

    var workerCount: Int { workers.count }

    /// Workers that sleep.
    var parkedWorkerCount: Int { workers.count(where: \.isParked) }

    /// How often a parked thread, worker or caller, has been woken.
    var wakeUpCount: Int { workers.reduce(caller.wakeUpCount) { $0 + $1.wakeUpCount } }

    /// Calls `body` for every index below `count`, which is positive; one job at a time.
    func run(_ count: Int, _ body: (_ index: Int, _ thread: Int) -> Void) {
        precondition(
            unfinished.value.load(ordering: .acquiring) == 0, "WorkerPool: a job within a job")
        job = Job(count: count, body: BorrowedBody(body))
        unfinished.value.store(count, ordering: .relaxed)
        untaken.value.store(count, ordering: .sequentiallyConsistent)
        for worker in workers.prefix(count - 1) { worker.wake() }
        if takeIndices(thread: 0) { return }
        // Parking frees the core for a worker without one.
        caller.wait { unfinished.value.load(ordering: .sequentiallyConsistent) == 0 }
    }

    /// The life of a worker.
    func work(_ number: Int) {
        while true {
            workers[number].wait {
                untaken.value.load(ordering: .sequentiallyConsistent) > 0
                    || isStopped.value.load(ordering: .sequentiallyConsistent)
            }
            if isStopped.value.load(ordering: .relaxed) { return }
            if takeIndices(thread: number + 1) { caller.wake() }
        }
    }

    /// Ends the workers; no job may run.
    func stop() {
        isStopped.value.store(true, ordering: .sequentiallyConsistent)
        for worker in workers { worker.wake() }
    }

    /// Works until all indices are taken; whether these calls were the last of the job.
    private func takeIndices(thread: Int) -> Bool {
        var finished = 0
        while true {
            let left = untaken.value.subtract(1, ordering: .acquiring).oldValue
            guard left > 0, let job else { break }
            job.body(job.count - left, thread)
            finished += 1
        }
        guard finished > 0 else { return false }
        return unfinished.value.subtract(finished, ordering: .sequentiallyConsistent).newValue == 0
    }
}
