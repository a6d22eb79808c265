// SPDX-License-Identifier: Apache-2.0
import BlockFormats

/// Builds GGUF files in memory: well-formed ones and, from raw parts, malformed ones.
///
/// ```swift
/// var writer = GGUFWriter()
/// writer.set("general.architecture", .string("llama"))
/// writer.add("output_norm.weight", shape: [8], floats: norm)
/// let path = try folder.write(writer.bytes(), to: "tiny.gguf")
/// ```
public struct GGUFWriter {
    /// The version field of the header.
    public var version: UInt32

    /// Tensor data starts at multiples of this; written as `general.alignment` unless it is 32.
    public let alignment: Int

    private var pairs: [(key: String, value: GGUFWriterValue)] = []
    private var tensors: [GGUFWriterTensor] = []

    /// A file without metadata and tensors.
    public init(version: UInt32 = 3, alignment: Int = 32) {
        self.version = version
        self.alignment = alignment
        if alignment != 32 {
            set("general.alignment", .uint32(UInt32(alignment)))
        }
    }

    /// Appends a key-value pair; a key that occurs twice is written twice.
    public mutating func set(_ key: String, _ value: GGUFWriterValue) {
        pairs.append((key, value))
    }

    /// Appends a tensor of encoded elements; `shape` is innermost first.
    public mutating func add(_ name: String, _ format: BlockFormat, shape: [Int], bytes: [UInt8]) {
        precondition(bytes.count == format.byteCount(of: shape.reduce(1, *)))
        add(GGUFWriterTensor(name: name, type: format.rawValue, shape: shape, bytes: bytes))
    }

    /// Appends an F32 tensor; `shape` is innermost first.
    public mutating func add(_ name: String, shape: [Int], floats: [Float]) {
        add(name, .f32, shape: shape, bytes: floats.flatMap { littleEndianBytes($0.bitPattern) })
    }

    /// Appends a tensor as it is, consistent or not.
    public mutating func add(_ tensor: GGUFWriterTensor) {
        tensors.append(tensor)
    }

    /// The file.
    public func bytes() -> [UInt8] { image().bytes }

    /// The file, and the places of its header's fields.
    public func image() -> GGUFImage {
        var image = GGUFImage()
        image.append(Array("GGUF".utf8))
        image.append(version, field: "version")
        image.append(UInt64(tensors.count), field: "tensor count")
        image.append(UInt64(pairs.count), field: "pair count")
        for (key, value) in pairs {
            image.append(text: key, field: key)
            image.append(value.type, field: "\(key) type")
            image.append(value.image, named: key)
        }
        var dataOffset = 0
        for tensor in tensors {
            image.append(tensor, dataOffset: dataOffset)
            dataOffset += padded(tensor.bytes.count)
        }
        if !tensors.isEmpty {
            let count = image.bytes.count
            image.append([UInt8](repeating: 0, count: padded(count) - count))
        }
        for tensor in tensors {
            let padding = padded(tensor.bytes.count) - tensor.bytes.count
            image.append(tensor.bytes + [UInt8](repeating: 0, count: padding))
        }
        return image
    }

    /// The parts of a split file, each with an equal share of the tensors.
    ///
    /// Save them as `<prefix>-00001-of-<count>.gguf` and so on.
    public func split(into count: Int) -> [GGUFWriter] {
        (0..<count).map { index in
            var part = GGUFWriter(version: version, alignment: alignment)
            if index == 0 {
                part.pairs = pairs
            }
            part.set("split.no", .uint16(UInt16(index)))
            part.set("split.count", .uint16(UInt16(count)))
            part.set("split.tensors.count", .int32(Int32(tensors.count)))
            part.tensors = Array(
                tensors[tensors.count * index / count..<tensors.count * (index + 1) / count])
            return part
        }
    }

    private func padded(_ count: Int) -> Int {
        (count + alignment - 1) / alignment * alignment
    }
}

/// A tensor as `GGUFWriter` describes and stores it.
public struct GGUFWriterTensor: Sendable {
    /// The name.
    public var name: String
    /// ggml's type number.
    public var type: UInt32
    /// Extents, innermost first.
    public var shape: [Int]
    /// The stored elements.
    public var bytes: [UInt8]
    /// The data offset that the header claims; nil for the true one.
    public var claimedOffset: UInt64?

    /// A tensor that need not be consistent.
    public init(
        name: String, type: UInt32, shape: [Int], bytes: [UInt8], claimedOffset: UInt64? = nil
    ) {
        self.name = name
        self.type = type
        self.shape = shape
        self.bytes = bytes
        self.claimedOffset = claimedOffset
    }
}
