// SPDX-License-Identifier: Apache-2.0
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

/// The content of a cache file: its head, with a checksum of each matrix in the index, and the panels of each
/// matrix, which start on a page boundary.
struct PanelCacheIndex: Equatable {
    /// The source of the panels, and how they were made.
    let source: String
    let entries: [PanelCacheEntry]

    private static let head = CacheFileHead(
        magic: "TRIMPANL", version: 2, layoutVersion: PackedShape.layoutVersion)

    /// A matrix to be stored.
    struct Matrix {
        let name: String
        let firstRow: Int
        let shape: PackedShape
        let checksum: UInt64
    }

    /// Bytes of the whole file.
    var fileBytes: Int {
        entries.last.map { $0.offset + $0.shape.byteCount } ?? CacheFileHead.headerBytes
    }

    /// An index of consecutive matrices.
    init(source: String, matrices: [Matrix]) {
        self.source = source
        let sizes = matrices.reduce(0) { $0 + Self.entryBytes(name: $1.name) }
        var offset = CacheFileHead.headerBytes + 8 + source.utf8.count + sizes
        entries = matrices.map { matrix in
            // Matrices do not share pages.
            offset = CacheFileHead.aligned(offset)
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
        return Self.head.encoded(index)
    }

    /// Reads the beginning of a file of `fileBytes` bytes, or nil if `encoded` did not make it.
    init?(_ file: UnsafeRawBufferPointer) {
        guard var reader = Self.head.index(of: file), let source = reader.text(),
            let entries = reader.list({ $0.entry(fileBytes: file.count) })
        else { return nil }
        self.source = source
        self.entries = entries
        guard fileBytes == file.count else { return nil }
    }

    /// Bytes of an entry with that name.
    private static func entryBytes(name: String) -> Int { 4 + name.utf8.count + 4 + 5 * 8 }
}

extension CacheFileReader {
    /// An entry whose panels lie inside the file.
    fileprivate mutating func entry(fileBytes: Int) -> PanelCacheEntry? {
        guard let name = text(), let kind = integer(UInt32.self),
            let firstRow = size(), let outputs = size(), let inputs = size(), let offset = size(),
            let checksum = integer(UInt64.self),
            let shape = PackedShape(kind: Int(kind), outputs: outputs, inputs: inputs),
            offset % CacheFileHead.alignment == 0, offset <= fileBytes,
            shape.byteCount <= fileBytes - offset
        else { return nil }
        return PanelCacheEntry(
            name: name, firstRow: firstRow, shape: shape, offset: offset, checksum: checksum)
    }
}
