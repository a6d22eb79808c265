// SPDX-License-Identifier: Apache-2.0
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Zeroed memory for panels, in large pages where the system has them: weights are read as one stream, and
/// small pages would cost a look-up every 4 KB.
final class PanelMemory: @unchecked Sendable {
    let start: UnsafeMutableRawPointer
    private let byteCount: Int

    init?(byteCount: Int) {
        self.byteCount = max(1, byteCount)
        let flags = MAP_PRIVATE | MAP_ANON
        guard
            let memory = mmap(nil, self.byteCount, PROT_READ | PROT_WRITE, flags, -1, 0),
            memory != MAP_FAILED
        else { return nil }
        start = memory
        #if os(Linux)
            // Without large pages the memory is as good, only slower.
            _ = madvise(memory, self.byteCount, Int32(MADV_HUGEPAGE))
        #endif
    }

    deinit { munmap(start, byteCount) }
}

/// The lowest of the numbers that several threads find.
final class LowestValue: Sendable {
    private let lowest = Mutex<Int?>(nil)

    var value: Int? { lowest.withLock { $0 } }

    func lower(to number: Int) {
        lowest.withLock { $0 = min($0 ?? number, number) }
    }
}
