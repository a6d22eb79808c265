// SPDX-License-Identifier: Apache-2.0
import CPeakLoops

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Memory that exceeds all caches, in huge pages where the system has them.
final class StreamingBuffer: @unchecked Sendable {
    /// Far above the caches of laptops and of parts of a server.
    private static let totalBytes = 1 << 30
    private static let hugePage = 2 << 20

    private let threads: Int
    private let start: UnsafeMutableRawPointer
    private let bytesPerThread: Int

    init(threads: Int) {
        self.threads = threads
        bytesPerThread = max(1, Self.totalBytes / threads / Self.hugePage) * Self.hugePage
        start = UnsafeMutableRawPointer.allocate(
            byteCount: bytesPerThread * threads, alignment: Self.hugePage)
        #if os(Linux)
            // This fails if huge pages are off; the rate is then that of small pages.
            _ = madvise(start, bytesPerThread * threads, MADV_HUGEPAGE)
        #endif
        // Each thread touches its part first, so that it is allocated near its core. All pages of
        // zeros could share one page, so write something else.
        _ = shortestSeconds(threads: threads, repetitions: 1) { [self] thread in
            memset(part(thread), 1, bytesPerThread)
        }
    }

    deinit { start.deallocate() }

    /// The best rate in GB/s, with or without software prefetches.
    func bestRate() -> Double {
        let seconds = [read_stream, read_stream_prefetched].map { read in
            shortestSeconds(threads: threads, repetitions: 6) { [self] thread in
                let sum = read(part(thread), bytesPerThread)
                let expected = UInt64(bytesPerThread / 8) &* 0x0101_0101_0101_0101
                precondition(sum == expected, "MachinePeaks: the stream was not read")
            }
        }
        return Double(bytesPerThread * threads) / (seconds.min() ?? .infinity) * 1e-9
    }

    private func part(_ thread: Int) -> UnsafeMutableRawPointer { start + thread * bytesPerThread }
}
