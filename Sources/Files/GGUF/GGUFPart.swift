// SPDX-License-Identifier: Apache-2.0
import FileOutput

/// One file on disk: a whole model, or one part of a split one.
struct GGUFPart {
    let file: MappedFile
    let version: Int
    let metadata: GGUFMetadata
    let tensors: [GGUFTensor]

    /// Bytes of magic, metadata and tensor table.
    private let headerBytes: Int

    /// Maps a file and checks everything that its header says.
    init(path: String) throws(GGUFError) {
        let file = try Self.mapped(path)
        var reader = ByteReader(file)
        version = try reader.version()
        let tensorCount = try reader.count(
            "the tensor count", minimumBytes: GGUFLimits.tensorBytes)
        let pairCount = try reader.count(
            "the metadata count", minimumBytes: GGUFLimits.pairBytes)
        let metadata = try reader.metadata(count: pairCount)
        let alignment = try GGUFPart.alignment(metadata)
        let entries = try reader.tensorTable(count: tensorCount, alignment: alignment)
        tensors = try GGUFPart.place(entries, headerBytes: reader.offset, alignment, file)
        self.metadata = metadata
        self.file = file
        headerBytes = reader.offset
    }

    private static func mapped(_ path: String) throws(GGUFError) -> MappedFile {
        do {
            return try MappedFile(path: path)
        } catch {
            let reason =
                switch error {
                case .missing(let reason), .unreadable(let reason): reason
                case .notFile(.folder): "is a folder, expected a GGUF file"
                case .notFile: "is not a regular file"
                case .empty: "the file is empty"
                }
            throw .unreadable(file: path, reason: reason)
        }
    }

    var identity: FileIdentity {
        FileIdentity(
            byteCount: file.bytes.count, modificationTime: file.status.version.modified,
            inode: file.status.identity.number,
            header: fingerprint(
                of: UnsafeRawBufferPointer(rebasing: file.bytes.prefix(headerBytes))))
    }

    /// The alignment of the tensor data in bytes, a power of two.
    private static func alignment(_ metadata: GGUFMetadata) throws(GGUFError) -> UInt64 {
        let key = "general.alignment"
        guard let value = metadata[key] else { return GGUFLimits.defaultAlignment }
        guard case .uint32(let alignment) = value, alignment.nonzeroBitCount == 1 else {
            throw .wrongType(
                file: metadata.fileName, key: key, expected: "a power of two of type u32",
                found: "\(value)")
        }
        return UInt64(alignment)
    }

    /// Locates the tensors in the data section, which follows the padded header.
    private static func place(
        _ entries: [TensorEntry], headerBytes: Int, _ alignment: UInt64, _ file: MappedFile
    ) throws(GGUFError) -> [GGUFTensor] {
        let dataStart = (UInt64(headerBytes) + alignment - 1) & ~(alignment - 1)
        var tensors: [GGUFTensor] = []
        for entry in entries {
            let (start, overflow) = dataStart.addingReportingOverflow(entry.dataOffset)
            let size = UInt64(file.bytes.count)
            guard !overflow, start <= size, UInt64(entry.byteCount) <= size - start else {
                throw .truncated(
                    file: file.path, offset: Int(clamping: start),
                    place: "the data of tensor '\(entry.name)'", needed: UInt64(entry.byteCount),
                    available: overflow ? 0 : Int(size - min(start, size)))
            }
            tensors.append(GGUFTensor(entry: entry, fileOffset: Int(start), file: file))
        }
        return tensors
    }
}

extension ByteReader {
    /// The magic bytes and the version of the format.
    fileprivate mutating func version() throws(GGUFError) -> Int {
        let start = Array(file.bytes.prefix(4))
        guard start == Array("GGUF".utf8) else {
            throw .notGGUF(
                file: file.path, start: start, kind: ForeignFile(start: file.bytes.prefix(512)))
        }
        let _: UInt32 = try integer("the magic bytes")
        let version: UInt32 = try integer("the version")
        // A big-endian 2 or 3 has only zeros in the low half.
        guard version == 0 || version & 0xFFFF != 0 else { throw .bigEndian(file: file.path) }
        guard version == 2 || version == 3 else {
            throw .unsupportedVersion(file: file.path, version: version)
        }
        return Int(version)
    }

    /// A number of records that take at least `minimumBytes` each.
    fileprivate mutating func count(
        _ place: String, minimumBytes: UInt64
    ) throws(GGUFError) -> UInt64 {
        let start = offset
        let count: UInt64 = try integer(place)
        let largest = min(UInt64(remaining) / minimumBytes, GGUFLimits.records)
        guard count <= largest else {
            throw malformed(
                at: start, place,
                "\(count), expected at most \(largest) with \(remaining) bytes left")
        }
        return count
    }
}
