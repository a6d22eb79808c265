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
    ///
    /// - Parameter leavesReserve: whether memory for small objects must be left.
    init?(byteCount: Int, leavesReserve: Bool = false) {
        self.byteCount = max(1, byteCount)
        var memory: UnsafeMutableRawPointer?
        // 64 bytes: a cache line, and the widest vector register.
        guard posix_memalign(&memory, 64, self.byteCount) == 0, let memory else { return nil }
        guard !leavesReserve || AddressSpace.hasReserve else {
            free(memory)
            return nil
        }
        start = memory
    }

    func deallocate() { free(start) }
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
        guard let buffer = granted(byteCount, leavesReserve: false) else {
            preconditionFailure("no memory for \(byteCount) bytes")
        }
        return buffer
    }

    /// At least `byteCount` uninitialised bytes, or nil if the system does not grant them.
    func granted(_ byteCount: Int, leavesReserve: Bool = true) -> ReusedBuffer? {
        let found = state.withLock { state -> ReusedBuffer? in
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
        guard let buffer = found ?? allocated(byteCount, leavesReserve) else { return nil }
        state.withLock { state in
            state.usedBytes += buffer.byteCount
            state.mostUsedBytes = max(state.mostUsedBytes, state.usedBytes)
        }
        return buffer
    }

    /// Whether the system grants that many bytes now.
    func isGranted(_ byteCount: Int) -> Bool {
        guard let buffer = allocated(byteCount, true) else { return false }
        buffer.deallocate()
        return true
    }

    /// New memory.
    ///
    /// Where it is short, idle buffers are freed first.
    private func allocated(_ byteCount: Int, _ leavesReserve: Bool) -> ReusedBuffer? {
        if let buffer = ReusedBuffer(byteCount: byteCount, leavesReserve: leavesReserve) {
            return buffer
        }
        let idle = state.withLock { state -> [ReusedBuffer] in
            defer { (state.idle, state.idleBytes) = ([], 0) }
            return state.idle
        }
        for buffer in idle { buffer.deallocate() }
        return ReusedBuffer(byteCount: byteCount, leavesReserve: leavesReserve)
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
