// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Memory of one matrix in panels, or of so many beside each other that they fill no cache.
final class PanelBuffer {
    let matrixBytes: Int
    private let start: UnsafeMutableRawPointer
    private let copies: Int
    private var copy = 0

    /// Several times the last-level cache of a processor.
    private static let bytesBeyondCaches = 256 << 20

    /// - Parameter isStreamed: whether weights are read from memory each time, as a model of many layers
    ///   does for few rows.
    init(matrixBytes: Int, isStreamed: Bool) {
        self.matrixBytes = matrixBytes
        copies = isStreamed ? max(1, Self.bytesBeyondCaches / matrixBytes) : 1
        let byteCount = copies * matrixBytes
        start = .allocate(byteCount: byteCount, alignment: 1 << 21)
        #if os(Linux)
            _ = madvise(start, byteCount, Int32(MADV_HUGEPAGE))
        #endif
        // Any numbers but extreme ones: kernels take as long for all of them.
        start.initializeMemory(as: UInt8.self, repeating: 0x3C, count: byteCount)
    }

    deinit { start.deallocate() }

    /// The next matrix.
    func next() -> UnsafeRawPointer {
        copy = (copy + 1) % copies
        return UnsafeRawPointer(start + copy * matrixBytes)
    }
}
