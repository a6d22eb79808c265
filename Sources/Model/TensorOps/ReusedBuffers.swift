// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// A piece of memory that goes from use to use.
struct ReusedBuffer: @unchecked Sendable {
    let start: UnsafeMutableRawPointer
    let byteCount: Int
}

/// Memory that is asked for over and over: pages that were touched once are not given back to the system
/// between two layers.
final class ReusedBuffers: Sendable {
    private let idle = Mutex<[ReusedBuffer]>([])

    /// Buffers that are kept while nobody uses them.
    private static let most = 32

    deinit {
        for buffer in idle.withLock({ $0 }) { buffer.start.deallocate() }
    }

    /// At least `byteCount` bytes, not set to anything.
    func take(_ byteCount: Int) -> ReusedBuffer {
        let found = idle.withLock { idle -> ReusedBuffer? in
            let fitting = idle.indices.filter { idle[$0].byteCount >= byteCount }
            guard let best = fitting.min(by: { idle[$0].byteCount < idle[$1].byteCount }),
                // A much larger one is kept for those who need it.
                idle[best].byteCount <= 2 * byteCount + 4096
            else { return nil }
            return idle.remove(at: best)
        }
        // 64 bytes: a cache line, and the widest vector register.
        return found
            ?? ReusedBuffer(
                start: .allocate(byteCount: max(1, byteCount), alignment: 64),
                byteCount: max(1, byteCount))
    }

    /// Keeps a buffer for the next one who asks.
    func giveBack(_ buffer: ReusedBuffer) {
        let surplus = idle.withLock { idle -> ReusedBuffer? in
            idle.append(buffer)
            return idle.count > Self.most ? idle.removeFirst() : nil
        }
        surplus?.start.deallocate()
    }
}
