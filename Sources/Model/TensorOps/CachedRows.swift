// SPDX-License-Identifier: Apache-2.0
import Kernels

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// How the KV cache stores numbers.
public enum CacheFormat: String, CaseIterable, Sendable {
    /// IEEE half precision.
    case f16
    /// Single precision: twice the memory, no rounding.
    case f32

    /// Bytes per number.
    public var byteWidth: Int { self == .f16 ? 2 : 4 }
}

/// The keys or the values of one decoder layer for every token of a sequence.
///
/// Memory is reserved for the full capacity, and the system backs it page by page as rows are
/// written.
public final class CachedRows: @unchecked Sendable {
    /// How numbers are stored.
    public let format: CacheFormat
    /// Rows that fit.
    public let capacity: Int
    /// Numbers per row.
    public let width: Int
    private let bytes: UnsafeMutableRawPointer  // [capacity, width]

    /// Reserves room for `capacity` rows; nil when the system has no such stretch of memory.
    public init?(format: CacheFormat, capacity: Int, width: Int) {
        var memory: UnsafeMutableRawPointer?
        // 64 bytes: a cache line, and the widest vector register.
        posix_memalign(&memory, 64, max(1, capacity * width * format.byteWidth))
        guard let memory else { return nil }
        self.format = format
        self.capacity = capacity
        self.width = width
        bytes = memory
    }

    deinit { free(bytes) }

    /// Stores `rows` from row `first` on, rounding to the cache's format.
    public func write(_ rows: Activations, at first: Int, _ kernels: KernelTable) {
        precondition(rows.width == width && first + rows.rows <= capacity)
        let target = bytes + first * width * format.byteWidth
        let count = rows.rows * width
        switch format {
        case .f16:
            kernels.halvesFromFloats(
                rows.values, target.assumingMemoryBound(to: UInt16.self), count)
        case .f32:
            target.assumingMemoryBound(to: Float.self).update(from: rows.values, count: count)
        }
    }

    /// The numbers of every row from `column` on, starting with row `first`.
    func head(_ column: Int, from first: Int) -> HeadRows {
        assert(first < capacity && column < width)
        return HeadRows(
            start: bytes + (first * width + column) * format.byteWidth, stride: width,
            areHalves: format == .f16)
    }
}
