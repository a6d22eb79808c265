// SPDX-License-Identifier: Apache-2.0

/// A row-major matrix of activations, one row per token.
public final class Activations: @unchecked Sendable {
    /// Tokens.
    public private(set) var rows: Int
    /// Numbers per token.
    public let width: Int
    /// The numbers.
    public private(set) var values: UnsafeMutablePointer<Float>  // [rows, width]

    private var buffer: ReusedBuffer
    private let origin: ReusedBuffers?

    /// Allocates `rows · width` uninitialised numbers.
    public convenience init(rows: Int, width: Int) {
        self.init(rows: rows, width: width, from: nil)
    }

    /// Takes `rows · width` uninitialised numbers from `origin`, which gets their memory back.
    convenience init(rows: Int, width: Int, from origin: ReusedBuffers?) {
        let buffer = Self.buffer(rows * width * MemoryLayout<Float>.stride, from: origin)
        self.init(rows: rows, width: width, buffer, from: origin)
    }

    /// The same where the system may not grant so much memory.
    convenience init(
        rows: Int, width: Int, grantedBy origin: ReusedBuffers
    ) throws(MemoryShortage) {
        let (byteCount, overflows) = rows.multipliedReportingOverflow(
            by: width * MemoryLayout<Float>.stride)
        guard !overflows, let buffer = origin.granted(byteCount) else {
            throw MemoryShortage(byteCount: overflows ? .max : byteCount)
        }
        self.init(rows: rows, width: width, buffer, from: origin)
    }

    private init(rows: Int, width: Int, _ buffer: ReusedBuffer, from origin: ReusedBuffers?) {
        self.rows = rows
        self.width = width
        self.origin = origin
        self.buffer = buffer
        values = buffer.start.bindMemory(to: Float.self, capacity: rows * width)
    }

    private static func buffer(_ byteCount: Int, from origin: ReusedBuffers?) -> ReusedBuffer {
        if let origin { return origin.take(byteCount) }
        guard let buffer = ReusedBuffer(byteCount: byteCount) else {
            preconditionFailure("no memory for \(byteCount) bytes")
        }
        return buffer
    }

    /// Copies `values`, which must hold a whole number of rows.
    public convenience init(_ values: [Float], width: Int) {
        precondition(values.count % width == 0, "\(values.count) numbers in rows of \(width)")
        self.init(rows: values.count / width, width: width)
        values.withUnsafeBufferPointer { source in
            if let base = source.baseAddress {
                self.values.update(from: base, count: source.count)
            }
        }
    }

    deinit { giveBackBuffer() }

    private func giveBackBuffer() {
        if let origin { origin.giveBack(buffer) } else { buffer.deallocate() }
    }

    /// Changes the number of rows and leaves all of them uninitialised.
    ///
    /// Memory never shrinks.
    public func resize(rows: Int) {
        self.rows = rows
        let byteCount = rows * width * MemoryLayout<Float>.stride
        guard byteCount > buffer.byteCount else { return }
        giveBackBuffer()
        buffer = Self.buffer(byteCount, from: origin)
        values = buffer.start.bindMemory(to: Float.self, capacity: rows * width)
    }

    /// The first number of a row.
    public func row(_ index: Int) -> UnsafeMutablePointer<Float> {
        assert(index >= 0 && index < rows)
        return values + index * width
    }

    /// A copy of some rows.
    public func copy(rows range: Range<Int>) -> Activations {
        precondition(range.lowerBound >= 0 && range.upperBound <= rows)
        let copy = Activations(rows: range.count, width: width)
        copy.values.update(from: values + range.lowerBound * width, count: range.count * width)
        return copy
    }

    /// Overwrites the rows from `first` on with all rows of another matrix.
    public func copy(_ other: Activations, toRow first: Int) {
        precondition(other.width == width && first >= 0 && first + other.rows <= rows)
        (values + first * width).update(from: other.values, count: other.rows * width)
    }

    /// All numbers, row after row.
    public var array: [Float] {
        Array(UnsafeBufferPointer(start: values, count: rows * width))
    }

    /// Whether every number is finite.
    public var isFinite: Bool { isFinite(rows: 0..<rows) }

    /// Whether every number of some rows is finite.
    public func isFinite(rows range: Range<Int>) -> Bool {
        precondition(range.lowerBound >= 0 && range.upperBound <= rows)
        // A non-finite number times zero is NaN, which makes the sum NaN; finite numbers leave it
        // at zero.
        var sums = SIMD16<Float>(repeating: 0)
        let (start, count) = (values + range.lowerBound * width, range.count * width)
        let vectorEnd = count / 16 * 16
        let raw = UnsafeRawPointer(start)
        for index in stride(from: 0, to: vectorEnd, by: 16) {
            sums += raw.loadUnaligned(fromByteOffset: index * 4, as: SIMD16<Float>.self) * 0
        }
        return sums.sum() == 0 && (vectorEnd..<count).allSatisfy { start[$0].isFinite }
    }
}
