// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Numbers whose count a picture decides, in memory that the system may refuse: an array would end the
/// process then.
///
/// They are written where they are made, and never again once they are `Samples`.
final class SampleBuffer<Number: BitwiseCopyable>: @unchecked Sendable {
    /// All numbers, at first not set to anything.
    let numbers: UnsafeMutableBufferPointer<Number>

    /// - Parameter name: what the picture is called in an error.
    init(count: Int, name: @autoclosure () -> String) throws(ImagingError) {
        let (byteCount, overflows) = count.multipliedReportingOverflow(
            by: MemoryLayout<Number>.stride)
        guard !overflows, count >= 0, let memory = malloc(max(1, byteCount)) else {
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

    init(_ buffer: SampleBuffer<Number>) {
        self.buffer = buffer
    }

    /// 0.
    public var startIndex: Int { 0 }
    /// How many numbers there are.
    public var endIndex: Int { buffer.numbers.count }

    /// One number.
    public subscript(position: Int) -> Number {
        precondition(position >= 0 && position < endIndex, "no such sample")
        return buffer.numbers[position]
    }

    /// Calls `body` with all numbers, which lie side by side.
    public func withUnsafeBufferPointer<Result, Failure: Error>(
        _ body: (UnsafeBufferPointer<Number>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { withExtendedLifetime(buffer) {} }
        return try body(UnsafeBufferPointer(buffer.numbers))
    }

    /// The same, for algorithms on any collection.
    public func withContiguousStorageIfAvailable<Result>(
        _ body: (UnsafeBufferPointer<Number>) throws -> Result
    ) rethrows -> Result? {
        defer { withExtendedLifetime(buffer) {} }
        return try body(UnsafeBufferPointer(buffer.numbers))
    }
}

extension Samples: Equatable where Number: Equatable {
    /// Whether both hold the same numbers.
    public static func == (left: Samples, right: Samples) -> Bool {
        left.elementsEqual(right)
    }
}

/// Whether the system grants memory for an array that is about to be made.
func isMemoryGranted(_ byteCount: Int) -> Bool {
    guard let memory = malloc(max(1, byteCount)) else { return false }
    free(memory)
    return true
}
