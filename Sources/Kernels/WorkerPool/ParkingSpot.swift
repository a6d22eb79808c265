// SPDX-License-Identifier: Apache-2.0
import CVectorOps
import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Where one thread waits for a condition that other threads make true.
///
/// It spins for a moment, because most waits are short, and then sleeps.
final class ParkingSpot: Sendable {
    private let parked = CacheLine(Atomic<Bool>(false))
    private let wakeUps = CacheLine(Atomic<Int>(0))
    private let semaphore = DispatchSemaphore(value: 0)
    private let spinTime: Duration

    init(spinTime: Duration) { self.spinTime = spinTime }

    var isParked: Bool { parked.value.load(ordering: .relaxed) }

    /// How often the thread has been woken.
    var wakeUpCount: Int { wakeUps.value.load(ordering: .relaxed) }

    /// Returns when `condition`, which reads atomics with sequential consistency, holds.
    @inline(__always)
    func wait(until condition: () -> Bool) {
        while !spin(until: condition) { park(unless: condition) }
    }

    /// Wakes the thread if it is parked; to be called after making its condition hold.
    @inline(__always)
    func wake() {
        if parked.value.load(ordering: .sequentiallyConsistent) { wakeParked() }
    }

    /// Whoever sets `parked` back to false decides.
    ///
    /// If it is a waker, it must signal; if it is the thread itself, no signal comes.
    ///
    /// Of the two threads, one writes `parked` and then reads the condition, the other writes the
    /// condition and then reads `parked`. Sequential consistency rules out that both read old values.
    @inline(never)
    private func park(unless condition: () -> Bool) {
        parked.value.store(true, ordering: .sequentiallyConsistent)
        if condition(), parked.value.exchange(false, ordering: .sequentiallyConsistent) { return }
        semaphore.wait()
    }

    @inline(never)
    private func wakeParked() {
        guard parked.value.exchange(false, ordering: .sequentiallyConsistent) else { return }
        wakeUps.value.add(1, ordering: .relaxed)
        semaphore.signal()
    }

    /// Whether the condition came to hold within the spinning time.
    ///
    /// After an eighth of it the thread offers its core at every reading of the clock: the system may
    /// have put the thread that it waits for on the same one.
    @inline(__always)
    private func spin(until condition: () -> Bool) -> Bool {
        // Reading the clock costs as much as a short wait takes, so do it rarely.
        let pausesPerReading = 32
        var start: ContinuousClock.Instant?
        while true {
            for _ in 0..<pausesPerReading {
                if condition() { return true }
                spin_pause()
            }
            let now = ContinuousClock.now
            let elapsed = (start ?? now).duration(to: now)
            if elapsed >= spinTime { return condition() }
            if elapsed >= spinTime / 8 { sched_yield() }
            start = start ?? now
        }
    }
}
