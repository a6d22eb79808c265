// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Memory that one call after the other reuses; calls at the same time get their own.
final class CallScratch: Sendable {
    private struct Buffer: @unchecked Sendable {
        let floats: UnsafeMutableBufferPointer<Float>
    }

    private let spare = Mutex<Buffer?>(nil)

    deinit { spare.withLock { $0?.floats.deallocate() } }

    /// Calls `body` with at least `count` floats, not set to anything.
    func withFloats(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) {
        let kept = spare.withLock { buffer in
            defer { buffer = nil }
            return buffer
        }
        let buffer = kept.flatMap { fitting($0, count) } ?? allocated(count)
        if let base = buffer.floats.baseAddress { body(base) }
        let replaced = spare.withLock { other in
            defer { other = buffer }
            return other
        }
        replaced?.floats.deallocate()
    }

    private func fitting(_ buffer: Buffer, _ count: Int) -> Buffer? {
        if buffer.floats.count >= count { return buffer }
        buffer.floats.deallocate()
        return nil
    }

    private func allocated(_ count: Int) -> Buffer {
        // Half as much again: a sequence grows by one token per call. 64 bytes: the widest register.
        let room = max(1, count + count / 2)
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: room * MemoryLayout<Float>.stride, alignment: 64)
        return Buffer(
            floats: UnsafeMutableBufferPointer(
                start: memory.bindMemory(to: Float.self, capacity: room), count: room))
    }
}
