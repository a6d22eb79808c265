// SPDX-License-Identifier: Apache-2.0
import FileOutput

/// Reads little-endian values in order, never past the end of the file.
struct ByteReader {
    let file: MappedFile

    /// The next byte to read, counted from the start of the file.
    private(set) var offset = 0

    init(_ file: MappedFile) {
        self.file = file
    }

    /// Bytes after `offset`.
    var remaining: Int { file.bytes.count - offset }

    /// An integer; `place` names it in messages.
    mutating func integer<Value: FixedWidthInteger>(
        _ place: @autoclosure () -> String
    ) throws(GGUFError) -> Value {
        try require(UInt64(MemoryLayout<Value>.size), place())
        let value = file.bytes.loadUnaligned(fromByteOffset: offset, as: Value.self)
        offset += MemoryLayout<Value>.size
        return Value(littleEndian: value)
    }

    /// An array of integers.
    mutating func integers<Value: FixedWidthInteger>(
        _ type: Value.Type, count: Int, _ place: @autoclosure () -> String
    ) throws(GGUFError) -> [Value] {
        let size = MemoryLayout<Value>.size
        try require(UInt64(count) * UInt64(size), place())
        let start = offset
        offset += count * size
        return (0..<count).map { index in
            Value(
                littleEndian: file.bytes.loadUnaligned(
                    fromByteOffset: start + index * size, as: Value.self))
        }
    }

    /// A string: its length in 8 bytes, then UTF-8.
    mutating func string(_ place: @autoclosure () -> String) throws(GGUFError) -> String {
        let start = offset
        let length: UInt64 = try integer("the length of \(place())")
        guard length <= GGUFLimits.stringBytes else {
            throw malformed(
                at: start, place(),
                "\(length) bytes long, expected at most \(GGUFLimits.stringBytes)")
        }
        try require(length, place())
        let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[offset..<offset + Int(length)])
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw malformed(at: offset, place(), "is not valid UTF-8")
        }
        offset += Int(length)
        return text
    }

    /// Throws unless `count` more bytes follow.
    func require(_ count: UInt64, _ place: @autoclosure () -> String) throws(GGUFError) {
        guard count <= UInt64(remaining) else {
            throw .truncated(
                file: file.path, offset: offset, place: place(), needed: count,
                available: remaining)
        }
    }

    /// The error for bytes that break a rule of the format.
    func malformed(at offset: Int, _ place: String, _ problem: String) -> GGUFError {
        .malformed(file: file.path, offset: offset, place: place, problem: problem)
    }
}
