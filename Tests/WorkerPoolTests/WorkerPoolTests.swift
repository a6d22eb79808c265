// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Synchronization
import Testing

@testable import WorkerPool

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

@Suite struct WorkerPoolTests {
    @Test(arguments: [1, 2, 3, 5], [0, 1, 2, 7, 1009])
    func everyIndexRunsOnce(threads: Int, count: Int) {
        let pool = WorkerPool(threadCount: threads)
        let calls = UnsafeMutablePointer<Int>.allocate(capacity: count + 1)
        calls.initialize(repeating: 0, count: count + 1)
        defer { calls.deallocate() }
        pool.forEach(count) { index, _ in calls[index] += 1 }
        #expect((0..<count).allSatisfy { calls[$0] == 1 })
        #expect(calls[count] == 0)
    }

    @Test(arguments: [.min, -1, 0, 1_000, .max])
    func absurdThreadCountsEndInTheNearestOne(threads: Int) {
        let pool = WorkerPool(threadCount: threads)
        #expect(pool.threadCount == (threads < 1 ? 1 : WorkerPool.maximumThreadCount))
        let calls = AtomicBox()
        pool.forEach(10_000) { _, _ in calls.value.add(1, ordering: .relaxed) }
        #expect(calls.value.load(ordering: .relaxed) == 10_000)
    }

    @Test func noThreadNumberIsSharedAtOneTime() {
        let pool = WorkerPool(threadCount: 3)
        let busy = (0..<3).map { _ in AtomicBox() }
        let clashes = AtomicBox()
        pool.forEach(2000) { _, thread in
            if busy[thread].value.add(1, ordering: .acquiring).newValue != 1 {
                clashes.value.add(1, ordering: .relaxed)
            }
            busy[thread].value.subtract(1, ordering: .releasing)
        }
        #expect(clashes.value.load(ordering: .relaxed) == 0)
    }

    @Test func callersOnSeveralThreadsTakeTurns() {
        let pool = WorkerPool(threadCount: 2)
        let total = AtomicBox()
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            for _ in 0..<200 {
                pool.forEach(5) { _, _ in total.value.add(1, ordering: .relaxed) }
            }
        }
        #expect(total.value.load(ordering: .relaxed) == 8 * 200 * 5)
    }

    /// Results need no atomics: a job's end orders all its writes before what the caller reads.
    @Test func resultsOfOneJobFeedTheNext() {
        let pool = WorkerPool(threadCount: 3)
        let count = 64
        let values = UnsafeMutablePointer<Int>.allocate(capacity: 2 * count)
        values.initialize(repeating: 1, count: 2 * count)
        defer { values.deallocate() }
        for round in 0..<5_000 {
            let source = values + round % 2 * count
            let target = values + (round + 1) % 2 * count
            pool.forEach(count) { index, _ in target[index] = source[count - 1 - index] &+ index }
        }
        var expected = [Int](repeating: 1, count: count)
        for _ in 0..<5_000 { expected = zip(0..., expected.reversed()).map { $0 &+ $1 } }
        #expect((0..<count).map { values[$0] } == expected)
    }

    @Test func workersEndWithThePool() {
        weak var forkJoin: ForkJoin?
        do {
            let pool = WorkerPool(threadCount: 4)
            pool.forEach(100) { _, _ in }
            forkJoin = pool.forkJoin
        }
        // Workers hold their half of the pool until they have returned.
        for _ in 0..<1000 where forkJoin != nil { usleep(10_000) }
        #expect(forkJoin == nil)
    }

    @Test func idleWorkersPark() {
        let pool = WorkerPool(threadCount: 4)
        pool.forEach(8) { _, _ in }
        // Other tests may hold the cores for a while; parking only takes spinning to its end.
        for _ in 0..<1000 where pool.forkJoin.parkedWorkerCount < 3 { usleep(10_000) }
        #expect(pool.forkJoin.parkedWorkerCount == 3)
    }
}

private final class AtomicBox: Sendable {
    let value = Atomic<Int>(0)
}
