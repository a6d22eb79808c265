// SPDX-License-Identifier: Apache-2.0

/// The bytes of a GGUF file under construction, and where its header's numbers lie.
public struct GGUFImage: Sendable {
    /// One number of the header.
    public struct Field: Sendable {
        /// What the number says, such as `blk.0.attn_q.weight dimension 1`.
        public let name: String
        /// The first byte.
        public let offset: Int
        /// Bytes of the number, 4 or 8.
        public let width: Int
    }

    /// The bytes so far.
    public private(set) var bytes: [UInt8] = []

    /// All counts, lengths, types, extents and offsets.
    public private(set) var fields: [Field] = []

    /// The same file with one number replaced; the value's upper bytes are cut off.
    public func replacing(_ field: Field, with value: UInt64) -> [UInt8] {
        var changed = bytes
        changed.replaceSubrange(
            field.offset..<field.offset + field.width,
            with: littleEndianBytes(value).prefix(field.width))
        return changed
    }

    mutating func append(_ more: [UInt8]) {
        bytes += more
    }

    mutating func append<Number: FixedWidthInteger>(_ number: Number, field: String) {
        fields.append(Field(name: field, offset: bytes.count, width: Number.bitWidth / 8))
        bytes += littleEndianBytes(number)
    }

    mutating func append(text: String, field: String) {
        append(UInt64(text.utf8.count), field: "\(field) length")
        bytes += text.utf8
    }

    mutating func append(_ image: GGUFImage, named name: String) {
        fields += image.fields.map {
            Field(name: "\(name) \($0.name)", offset: bytes.count + $0.offset, width: $0.width)
        }
        bytes += image.bytes
    }

    mutating func append(_ tensor: GGUFWriterTensor, dataOffset: Int) {
        append(text: tensor.name, field: tensor.name)
        append(UInt32(tensor.shape.count), field: "\(tensor.name) dimension count")
        for (dimension, extent) in tensor.shape.enumerated() {
            append(
                UInt64(bitPattern: Int64(extent)), field: "\(tensor.name) dimension \(dimension)")
        }
        append(tensor.type, field: "\(tensor.name) type")
        append(tensor.claimedOffset ?? UInt64(dataOffset), field: "\(tensor.name) offset")
    }
}
