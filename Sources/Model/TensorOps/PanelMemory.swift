// SPDX-License-Identifier: Apache-2.0
import Synchronization
import SystemLimits

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Zeroed memory for the panels of many matrices, in large pages where the system has them.
///
/// Weights are read as one stream, and small pages would cost a TLB lookup every 4 KB.
///
/// Matrices lie side by side, so that only the last large page of a slab is partly empty.
final class PanelMemory: Sendable {
    /// A piece of memory; `owner` keeps it alive.
    struct Piece: @unchecked Sendable {
        let start: UnsafeMutableRawPointer
        let owner: any AnyObject & Sendable
    }

    /// The slab that is being filled, and the bytes that are taken.
    private let current = Mutex<(slab: Slab, used: Int)?>(nil)

    /// Pieces start on cache lines of their own.
    private static let alignment = 64

    /// Zeroed bytes; nil if the system does not grant them.
    func take(_ byteCount: Int) -> Piece? {
        let byteCount = (byteCount + Self.alignment - 1) / Self.alignment * Self.alignment
        return current.withLock { current in
            if let (slab, used) = current, byteCount <= slab.byteCount - used {
                current = (slab, used + byteCount)
                return Piece(start: slab.start + used, owner: slab)
            }
            guard let slab = Slab(byteCount: byteCount) else { return nil }
            current = (slab, byteCount)
            return Piece(start: slab.start, owner: slab)
        }
    }
}

/// A run of whole large pages, which the system backs as they are written.
private final class Slab: @unchecked Sendable {
    /// Large pages of x86-64, and of AArch64 with small pages of 4 KB.
    private static let largePage = 2 << 20
    /// Room for a few matrices; the unused rest is never written and costs nothing.
    private static let leastByteCount = 64 << 20

    let start: UnsafeMutableRawPointer
    let byteCount: Int
    private let mapped: UnsafeMutableRawBufferPointer

    init?(byteCount: Int) {
        let pages = (max(byteCount, Self.leastByteCount) + Self.largePage - 1) / Self.largePage
        self.byteCount = pages * Self.largePage
        // One page more than is used, so that the first can start on a boundary.
        let length = self.byteCount + Self.largePage
        let flags = MAP_PRIVATE | MAP_ANON
        guard let memory = mmap(nil, length, PROT_READ | PROT_WRITE, flags, -1, 0),
            memory != MAP_FAILED
        else { return nil }
        guard AddressSpace.hasReserve else {
            munmap(memory, length)
            return nil
        }
        mapped = UnsafeMutableRawBufferPointer(start: memory, count: length)
        start = memory.alignedUp(toMultipleOf: Self.largePage)
        #if os(Linux)
            // Without large pages the memory is only slower.
            _ = madvise(start, self.byteCount, Int32(MADV_HUGEPAGE))
        #endif
    }

    deinit { munmap(mapped.baseAddress, mapped.count) }
}

/// The lowest of the numbers that several threads report.
final class LowestValue: Sendable {
    private let lowest = Mutex<Int?>(nil)

    var value: Int? { lowest.withLock { $0 } }

    func lower(to number: Int) {
        lowest.withLock { $0 = min($0 ?? number, number) }
    }
}
