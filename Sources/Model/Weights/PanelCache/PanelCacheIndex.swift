// SPDX-License-Identifier: Apache-2.0
import GGUF
import TensorOps

/// One matrix in a cache file.
struct PanelCacheEntry: Equatable {
    /// The tensor that the weights come from.
    let name: String
    /// The first of its rows.
    let firstRow: Int
    let shape: PackedShape
    /// Where the panels start in the file.
    let offset: Int
    /// The panels' `PanelChecksum`.
    let checksum: UInt64
}

/// The content of a cache file: a header of 32 bytes, the index with a checksum of each matrix, and
/// the panels of each matrix, which start on a page boundary.
///
/// The header is the text `TRIMPANL`, the version of this format and that of the panels' layout (UInt32),
/// the bytes of the index and their fingerprint, header included (UInt64). All numbers are little-endian.
struct PanelCacheIndex: Equatable {
    /// The source of the panels, and how they were made.
    let source: String
    let entries: [PanelCacheEntry]

    static let headerBytes = 32
    /// The page size of most systems; matrices do not share pages.
    static let alignment = 4096

    private static let magic = Array("TRIMPANL".utf8)
    private static let version: UInt32 = 2

    /// A matrix to be stored.
    struct Matrix {
        let name: String
        let firstRow: Int
        let shape: PackedShape
        let checksum: UInt64
    }

    /// Bytes of the whole file.
    var fileBytes: Int {
        entries.last.map { $0.offset + $0.shape.byteCount } ?? Self.headerBytes
    }

    /// An index of consecutive matrices.
    init(source: String, matrices: [Matrix]) {
        self.source = source
        let sizes = matrices.reduce(0) { $0 + Self.entryBytes(name: $1.name) }
        var offset = Self.headerBytes + 8 + source.utf8.count + sizes
        entries = matrices.map { matrix in
            offset = (offset + Self.alignment - 1) / Self.alignment * Self.alignment
            defer { offset += matrix.shape.byteCount }
            return PanelCacheEntry(
                name: matrix.name, firstRow: matrix.firstRow, shape: matrix.shape, offset: offset,
                checksum: matrix.checksum)
        }
    }

    /// The beginning of the file, up to the first matrix.
    func encoded() -> [UInt8] {
        var index: [UInt8] = []
        index.append(text: source)
        index.append(UInt32(entries.count))
        for entry in entries {
            index.append(text: entry.name)
            index.append(UInt32(entry.shape.kind.rawValue))
            for number in [entry.firstRow, entry.shape.outputs, entry.shape.inputs, entry.offset] {
                index.append(UInt64(number))
            }
            index.append(entry.checksum)
        }
        var header = Self.magic
        header.append(Self.version)
        header.append(PackedShape.layoutVersion)
        header.append(UInt64(index.count))
        header.append((header + index).withUnsafeBytes { fingerprint(of: $0) })
        return header + index
    }

    /// Reads the beginning of a file of `fileBytes` bytes, or nil if `encoded` did not make it.
    init?(_ file: UnsafeRawBufferPointer) {
        var reader = Reader(bytes: file)
        guard file.count >= Self.headerBytes,
            reader.bytes(Self.magic.count)?.elementsEqual(Self.magic) == true,
            reader.integer(UInt32.self) == Self.version,
            reader.integer(UInt32.self) == PackedShape.layoutVersion,
            let indexBytes = reader.integer(UInt64.self), let stored = reader.integer(UInt64.self),
            indexBytes <= UInt64(file.count - Self.headerBytes)
        else { return nil }
        let index = file[Self.headerBytes..<(Self.headerBytes + Int(indexBytes))]
        let checked = Array(file.prefix(Self.headerBytes - 8)) + index
        guard stored == checked.withUnsafeBytes({ fingerprint(of: $0) }) else { return nil }
        guard let source = reader.text(), let count = reader.integer(UInt32.self) else {
            return nil
        }
        var entries: [PanelCacheEntry] = []
        for _ in 0..<count {
            guard let entry = reader.entry(fileBytes: file.count) else { return nil }
            entries.append(entry)
        }
        self.source = source
        self.entries = entries
        guard fileBytes == file.count else { return nil }
    }

    /// Bytes of an entry with that name.
    private static func entryBytes(name: String) -> Int { 4 + name.utf8.count + 4 + 5 * 8 }
}

/// Reads consecutive numbers and texts, and never past the end.
private struct Reader {
    let bytes: UnsafeRawBufferPointer
    private var offset = 0

    init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    mutating func bytes(_ count: Int) -> Slice<UnsafeRawBufferPointer>? {
        guard count <= bytes.count - offset else { return nil }
        defer { offset += count }
        return bytes[offset..<(offset + count)]
    }

    mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type) -> Value? {
        let size = MemoryLayout<Value>.size
        guard size <= bytes.count - offset else { return nil }
        defer { offset += size }
        return Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }

    mutating func text() -> String? {
        guard let count = integer(UInt32.self), let text = bytes(Int(count)) else { return nil }
        return String(validating: text, as: UTF8.self)
    }

    /// An entry whose panels lie inside the file.
    mutating func entry(fileBytes: Int) -> PanelCacheEntry? {
        guard let name = text(), let kind = integer(UInt32.self),
            let firstRow = size(), let outputs = size(), let inputs = size(), let offset = size(),
            let checksum = integer(UInt64.self),
            let shape = PackedShape(kind: Int(kind), outputs: outputs, inputs: inputs),
            offset % PanelCacheIndex.alignment == 0, offset <= fileBytes,
            shape.byteCount <= fileBytes - offset
        else { return nil }
        return PanelCacheEntry(
            name: name, firstRow: firstRow, shape: shape, offset: offset, checksum: checksum)
    }

    private mutating func size() -> Int? { integer(UInt64.self).flatMap { Int(exactly: $0) } }
}

extension [UInt8] {
    fileprivate mutating func append(_ integer: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: integer.littleEndian) { append(contentsOf: $0) }
    }

    fileprivate mutating func append(text: String) {
        append(UInt32(text.utf8.count))
        append(contentsOf: text.utf8)
    }
}
