// SPDX-License-Identifier: Apache-2.0
import Synchronization
import SystemLimits

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The system does not grant memory.
public struct MemoryShortage: Error, Equatable {
    /// Bytes that were asked for.
    public let byteCount: Int
}

/// A piece of memory that goes from use to use.
struct ReusedBuffer: @unchecked Sendable {
    let start: UnsafeMutableRawPointer
    let byteCount: Int

    /// Allocates at least one byte; nil if the system does not grant them.
    init?(byteCount: Int) {
        self.byteCount = max(1, byteCount)
        var memory: UnsafeMutableRawPointer?
        // 64 bytes: a cache line, and the widest vector register.
        guard posix_memalign(&memory, 64, self.byteCount) == 0, let memory else { return nil }
        start = memory
    }

    /// The same, which leaves address space and the control group's memory for small objects.
    init?(grantedBytes byteCount: Int) {
        self.init(byteCount: byteCount)
        guard AddressSpace.hasReserve, GroupMemory.shared.grants(start, byteCount: self.byteCount)
        else {
            deallocate()
            return nil
        }
    }

    func deallocate() { free(start) }
}

/// Memory of the process's control group that is about to be taken; nobody else is granted it while the claim lives.
public final class MemoryClaim: Sendable {
    private let byteCount: Int

    /// Asks the system whether it has so many bytes, and claims those of the group; nil if there are too few.
    fileprivate init?(byteCount: Int) {
        guard let buffer = ReusedBuffer(byteCount: byteCount) else { return nil }
        let hasAddresses = AddressSpace.hasReserve
        buffer.deallocate()
        guard hasAddresses, GroupMemory.shared.promise(byteCount) else { return nil }
        self.byteCount = byteCount
    }

    deinit { GroupMemory.shared.endPromise(byteCount) }
}

/// Memory that layers use over and over, so that its pages are not given back to the system between
/// them.
final class ReusedBuffers: Sendable {
    private struct State {
        /// Unused buffers, the longest idle first.
        var idle: [ReusedBuffer] = []
        var idleBytes = 0
        var usedBytes = 0
        var mostUsedBytes = 0
    }

    private let state = Mutex(State())

    /// Bytes that are kept while nobody uses them.
    var idleBytes: Int { state.withLock { $0.idleBytes } }

    deinit {
        for buffer in state.withLock({ $0.idle }) { buffer.deallocate() }
    }

    /// At least `byteCount` uninitialised bytes.
    ///
    /// Only for sizes that the model decides, not a picture: without memory the process ends. What `granted` leaves is
    /// there for them.
    func take(_ byteCount: Int) -> ReusedBuffer {
        let buffer = idle(byteCount) ?? withIdleFreed { ReusedBuffer(byteCount: byteCount) }
        guard let buffer else { preconditionFailure("no memory for \(byteCount) bytes") }
        return used(buffer)
    }

    /// At least `byteCount` uninitialised bytes, or nil if the system does not grant them.
    func granted(_ byteCount: Int) -> ReusedBuffer? {
        let buffer = idle(byteCount) ?? withIdleFreed { ReusedBuffer(grantedBytes: byteCount) }
        return buffer.map(used)
    }

    /// Claims memory that will be taken; nil if the system does not grant it now.
    func claim(_ byteCount: Int) -> MemoryClaim? {
        withIdleFreed { MemoryClaim(byteCount: byteCount) }
    }

    /// The smallest idle buffer of that size.
    private func idle(_ byteCount: Int) -> ReusedBuffer? {
        state.withLock { state -> ReusedBuffer? in
            var best: Int?
            for index in state.idle.indices where state.idle[index].byteCount >= byteCount {
                if let found = best, state.idle[found].byteCount <= state.idle[index].byteCount {
                    continue
                }
                best = index
            }
            // A much larger buffer is kept for requests of its size.
            guard let best, state.idle[best].byteCount <= 2 * byteCount + 4096 else { return nil }
            state.idleBytes -= state.idle[best].byteCount
            return state.idle.remove(at: best)
        }
    }

    /// Counts a buffer as used.
    private func used(_ buffer: ReusedBuffer) -> ReusedBuffer {
        state.withLock { state in
            state.usedBytes += buffer.byteCount
            state.mostUsedBytes = max(state.mostUsedBytes, state.usedBytes)
        }
        return buffer
    }

    /// What `ask` gets of the system, where memory is short after idle buffers are freed.
    private func withIdleFreed<Answer>(_ ask: () -> Answer?) -> Answer? {
        if let answer = ask() { return answer }
        freeIdle()
        return ask()
    }

    /// Gives the system the buffers that nobody uses.
    func freeIdle() {
        let idle = state.withLock { state -> [ReusedBuffer] in
            defer { (state.idle, state.idleBytes) = ([], 0) }
            return state.idle
        }
        for buffer in idle { buffer.deallocate() }
        GroupMemory.shared.giveBackFreed()
    }

    /// Keeps a buffer for the next request.
    ///
    /// Idle buffers may take as much memory as was ever in use at once.
    func giveBack(_ buffer: ReusedBuffer) {
        let surplus = state.withLock { state -> [ReusedBuffer] in
            state.usedBytes -= buffer.byteCount
            state.idle.append(buffer)
            state.idleBytes += buffer.byteCount
            // An empty array takes no memory.
            var surplus: [ReusedBuffer] = []
            while state.idleBytes > state.mostUsedBytes {
                surplus.append(state.idle.removeFirst())
                state.idleBytes -= surplus[surplus.count - 1].byteCount
            }
            return surplus
        }
        for buffer in surplus { buffer.deallocate() }
    }
}
