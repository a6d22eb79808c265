// SPDX-License-Identifier: Apache-2.0
import Foundation

/// One matrix in panels, or enough copies to exceed all caches.
final class PanelBuffer {
    let matrixBytes: Int
    private let start: UnsafeMutableRawPointer
    private let copies: Int
    private var copy = 0

    /// Several times the last-level cache of a processor.
    private static let bytesBeyondCaches = 256 << 20

    /// - Parameter isStreamed: whether each product reads weights from memory, as in a model of many layers with
    ///   few rows.
    init(matrixBytes: Int, isStreamed: Bool) {
        self.matrixBytes = matrixBytes
        copies = isStreamed ? max(1, Self.bytesBeyondCaches / matrixBytes) : 1
        let byteCount = copies * matrixBytes
        start = .allocate(byteCount: byteCount, alignment: 1 << 21)
        #if os(Linux)
            _ = madvise(start, byteCount, Int32(MADV_HUGEPAGE))
        #endif
        // Kernels take the same time for all but extreme numbers.
        start.initializeMemory(as: UInt8.self, repeating: 0x3C, count: byteCount)
    }

    deinit { start.deallocate() }

    /// The next matrix.
    func next() -> UnsafeRawPointer {
        copy = (copy + 1) % copies
        return UnsafeRawPointer(start + copy * matrixBytes)
    }
}
