// SPDX-License-Identifier: Apache-2.0
import GGUF

/// What a file of a cache folder begins with: a header of 32 bytes, and an index.
///
/// The header is a text of eight bytes, the version of the kind of file and that of the numbers in it (UInt32),
/// the bytes of the index and the fingerprint of all these, index included (UInt64). All numbers are little-endian.
package struct CacheFileHead {
    /// Eight bytes that name the kind of file.
    package let magic: StaticString
    /// The version of the kind of file.
    package let version: UInt32
    /// The version of the numbers in the file.
    package let layoutVersion: UInt32

    /// The head of a kind of file.
    package init(magic: StaticString, version: UInt32, layoutVersion: UInt32) {
        (self.magic, self.version, self.layoutVersion) = (magic, version, layoutVersion)
    }

    /// Bytes of the header.
    package static let headerBytes = 32
    /// The page size of most systems; what follows the index starts on a boundary.
    package static let alignment = 4096

    /// The offset, or the next one on a boundary.
    package static func aligned(_ offset: Int) -> Int {
        (offset + alignment - 1) / alignment * alignment
    }

    /// The beginning of a file with the given index.
    package func encoded(_ index: [UInt8]) -> [UInt8] {
        var header = magicBytes
        header.append(version)
        header.append(layoutVersion)
        header.append(UInt64(index.count))
        header.append((header + index).withUnsafeBytes { fingerprint(of: $0) })
        return header + index
    }

    /// Whether a file begins with the name of this kind.
    package func isAtStart(of file: UnsafeRawBufferPointer) -> Bool {
        file.starts(with: magicBytes)
    }

    /// Reads the index of a file, or nil if `encoded` did not make its beginning.
    package func index(of file: UnsafeRawBufferPointer) -> CacheFileReader? {
        var reader = CacheFileReader(bytes: file)
        guard file.count >= Self.headerBytes,
            reader.bytes(magicBytes.count)?.elementsEqual(magicBytes) == true,
            reader.integer(UInt32.self) == version, reader.integer(UInt32.self) == layoutVersion,
            let indexBytes = reader.integer(UInt64.self), let stored = reader.integer(UInt64.self),
            indexBytes <= UInt64(file.count - Self.headerBytes)
        else { return nil }
        let index = file[Self.headerBytes..<(Self.headerBytes + Int(indexBytes))]
        let checked = Array(file.prefix(Self.headerBytes - 8)) + index
        guard stored == checked.withUnsafeBytes({ fingerprint(of: $0) }) else { return nil }
        return reader
    }

    private var magicBytes: [UInt8] { magic.withUTF8Buffer { Array($0) } }
}

/// Reads consecutive numbers and texts, and never past the end.
package struct CacheFileReader {
    private let bytes: UnsafeRawBufferPointer
    /// Where the next number starts.
    package private(set) var offset = 0

    init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    package mutating func bytes(_ count: Int) -> Slice<UnsafeRawBufferPointer>? {
        guard count <= bytes.count - offset else { return nil }
        defer { offset += count }
        return bytes[offset..<(offset + count)]
    }

    package mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type) -> Value? {
        let size = MemoryLayout<Value>.size
        guard size <= bytes.count - offset else { return nil }
        defer { offset += size }
        return Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }

    package mutating func text() -> String? {
        guard let count = integer(UInt32.self), let text = bytes(Int(count)) else { return nil }
        return String(validating: text, as: UTF8.self)
    }

    package mutating func size() -> Int? { integer(UInt64.self).flatMap { Int(exactly: $0) } }

    /// A number of items, and the items; nil where one is.
    package mutating func list<Item>(_ item: (inout CacheFileReader) -> Item?) -> [Item]? {
        guard let count = integer(UInt32.self) else { return nil }
        var items: [Item] = []
        for _ in 0..<count {
            guard let next = item(&self) else { return nil }
            items.append(next)
        }
        return items
    }
}

extension [UInt8] {
    package mutating func append(_ integer: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: integer.littleEndian) { append(contentsOf: $0) }
    }

    package mutating func append(text: String) {
        append(UInt32(text.utf8.count))
        append(contentsOf: text.utf8)
    }
}
