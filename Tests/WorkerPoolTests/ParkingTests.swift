// SPDX-License-Identifier: Apache-2.0
import CVectorOps
import Dispatch
import Synchronization
import TestSupport
import Testing

@testable import WorkerPool

@Suite struct ParkingTests {
    /// A pool whose threads park almost at once, and callers whose pauses end around that moment: a
    /// wake-up lost or counted twice leaves a job unfinished or ends it too early.
    @Test func aMillionWakeUpsLoseNothing() {
        let pool = WorkerPool(threadCount: 3, spinTime: .nanoseconds(200))
        let wrongSums = Atomic<Int>(0)
        DispatchQueue.concurrentPerform(iterations: 3) { caller in
            var random = SeededGenerator(seed: UInt64(caller))
            while pool.forkJoin.wakeUpCount < 1_000_000 {
                let bits = random.next()
                let count = 2 + Int(bits % 4)
                let sum = Atomic<Int>(0)
                pool.forEach(count) { index, _ in
                    pause(Int(bits >> (8 * index) & 0x1f))
                    sum.add(index + 1, ordering: .relaxed)
                }
                let expected = count * (count + 1) / 2
                if sum.load(ordering: .relaxed) != expected {
                    wrongSums.add(1, ordering: .relaxed)
                }
                pause(Int(bits >> 56))
            }
        }
        #expect(wrongSums.load(ordering: .relaxed) == 0)
    }
}

/// Passes the time of `count` pauses of the processor, 10–50 ns each.
private func pause(_ count: Int) {
    for _ in 0..<count { spin_pause() }
}
