// SPDX-License-Identifier: Apache-2.0
import SystemLimits

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A buffer whose size depends on a picture.
///
/// Allocating it may fail with an error, where an array would end the process.
///
/// It is filled where it is made and never changes once it is wrapped in `Samples`.
package final class SampleBuffer<Number: BitwiseCopyable>: @unchecked Sendable {
    /// All numbers, uninitialised at first.
    package let numbers: UnsafeMutableBufferPointer<Number>

    /// - Parameter name: the picture's name in errors.
    package init(count: Int, name: @autoclosure () -> String) throws(ImagingError) {
        let (byteCount, overflows) = count.multipliedReportingOverflow(
            by: MemoryLayout<Number>.stride)
        guard !overflows, count >= 0, let memory = grantedMemory(byteCount) else {
            throw .noMemory(name: name(), byteCount: overflows ? .max : byteCount)
        }
        numbers = UnsafeMutableBufferPointer(
            start: memory.bindMemory(to: Number.self, capacity: count), count: count)
    }

    deinit { free(numbers.baseAddress) }
}

/// The numbers of a picture or of its tiles.
public struct Samples<Number: BitwiseCopyable & Sendable>: RandomAccessCollection, Sendable {
    private let buffer: SampleBuffer<Number>

    package init(_ buffer: SampleBuffer<Number>) {
        self.buffer = buffer
    }

    /// 0.
    public var startIndex: Int { 0 }
    /// The number of samples.
    public var endIndex: Int { buffer.numbers.count }

    /// One sample.
    public subscript(position: Int) -> Number {
        precondition(position >= 0 && position < endIndex, "no such sample")
        return buffer.numbers[position]
    }

    /// Calls `body` with the contiguous samples.
    public func withUnsafeBufferPointer<Result, Failure: Error>(
        _ body: (UnsafeBufferPointer<Number>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { withExtendedLifetime(buffer) {} }
        return try body(UnsafeBufferPointer(buffer.numbers))
    }

    /// The same, for the standard library's generic algorithms.
    public func withContiguousStorageIfAvailable<Result>(
        _ body: (UnsafeBufferPointer<Number>) throws -> Result
    ) rethrows -> Result? {
        defer { withExtendedLifetime(buffer) {} }
        return try body(UnsafeBufferPointer(buffer.numbers))
    }
}

extension Samples: Equatable where Number: Equatable {
    /// Whether both hold the same samples.
    public static func == (left: Samples, right: Samples) -> Bool {
        left.elementsEqual(right)
    }
}

/// Whether the system has memory for an array of this size.
func isMemoryGranted(_ byteCount: Int) -> Bool {
    guard let memory = grantedMemory(byteCount) else { return false }
    free(memory)
    return true
}

/// At least one byte of the C library's memory; nil if the system does not grant it, or would have none left for small
/// objects.
private func grantedMemory(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    func ask() -> UnsafeMutableRawPointer? {
        guard let memory = malloc(max(1, byteCount)) else { return nil }
        guard AddressSpace.hasReserve, GroupMemory.shared.grants(memory, byteCount: byteCount)
        else {
            free(memory)
            return nil
        }
        return memory
    }
    if let memory = ask() { return memory }
    GroupMemory.shared.giveBackFreed()
    return ask()
}
