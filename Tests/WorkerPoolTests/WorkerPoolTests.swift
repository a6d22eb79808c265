// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Synchronization
import TestSupport
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

    /// Pauses around the spinning time make the workers park at every possible moment.
    @Test func parkedWorkersNeverMissAJob() {
        let pool = WorkerPool(threadCount: 3)
        var random = SeededGenerator(seed: 7)
        let total = AtomicBox()
        for _ in 0..<20_000 {
            pool.forEach(3) { index, _ in total.value.add(index + 1, ordering: .relaxed) }
            if random.next() % 4 == 0 { usleep(UInt32(random.next() % 120)) }
        }
        #expect(total.value.load(ordering: .relaxed) == 20_000 * 6)
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

    @Test func idleWorkersPark() {
        let pool = WorkerPool(threadCount: 4)
        pool.forEach(8) { _, _ in }
        // Other tests may hold the cores for a while; parking only takes spinning to its end.
        for _ in 0..<1000 where pool.parkedWorkerCount < 3 { usleep(10_000) }
        #expect(pool.parkedWorkerCount == 3)
    }

    #if os(Linux)
        @Test func affinityListsAreRead() {
            #expect(PhysicalCores.processors(inList: "\t0-3,8,10-11") == [0, 1, 2, 3, 8, 10, 11])
            #expect(PhysicalCores.processors(inList: "5") == [5])
            #expect(PhysicalCores.processors(inList: "").isEmpty)
        }
    #endif

    @Test func coreCountIsPositiveAndWithinTheMachine() {
        let count = PhysicalCores.count()
        #expect(count >= 1)
        #expect(count <= Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    }
}

private final class AtomicBox: Sendable {
    let value = Atomic<Int>(0)
}
