// SPDX-License-Identifier: Apache-2.0
import BlockFormats

/// A GGUF file in parts, so that a test can change one of them.
public struct TinyFile: Sendable {
    /// Metadata, in the order of the file.
    public private(set) var pairs: [(key: String, value: GGUFWriterValue)] = []
    /// Tensors, in the order of the file.
    public private(set) var tensors: [GGUFWriterTensor] = []

    /// An empty file.
    public init() {}

    /// The value of a key; setting replaces or appends, nil removes.
    public subscript(key: String) -> GGUFWriterValue? {
        get { pairs.first { $0.key == key }?.value }
        set {
            let place = pairs.firstIndex { $0.key == key }
            switch (place, newValue) {
            case (let place?, let value?): pairs[place].value = value
            case (let place?, nil): pairs.remove(at: place)
            case (nil, let value?): pairs.append((key, value))
            case (nil, nil): break
            }
        }
    }

    /// The tensor of a name; setting replaces or appends, nil removes.
    public subscript(tensor name: String) -> GGUFWriterTensor? {
        get { tensors.first { $0.name == name } }
        set {
            let place = tensors.firstIndex { $0.name == name }
            switch (place, newValue) {
            case (let place?, let tensor?): tensors[place] = tensor
            case (let place?, nil): tensors.remove(at: place)
            case (nil, let tensor?): tensors.append(tensor)
            case (nil, nil): break
            }
        }
    }

    /// Gives tensors new names.
    public mutating func rename(_ newName: (String) -> String) {
        for index in tensors.indices { tensors[index].name = newName(tensors[index].name) }
    }

    /// Puts an F32 tensor in place of the one of that name, or at the end.
    public mutating func set(_ name: String, shape: [Int], floats: [Float]) {
        self[tensor: name] = GGUFWriterTensor(name: name, shape: shape, floats: floats)
    }

    /// The elements of a tensor, decoded; none when there is no such tensor.
    public func floats(_ name: String) -> [Float] { self[tensor: name]?.floats ?? [] }

    /// The same file with every tensor decoded to F32.
    public func decoded() -> TinyFile {
        var copy = self
        copy.tensors = tensors.map {
            GGUFWriterTensor(name: $0.name, shape: $0.shape, floats: $0.floats)
        }
        return copy
    }

    /// The file.
    public func image() -> GGUFImage {
        var writer = GGUFWriter()
        for (key, value) in pairs { writer.set(key, value) }
        for tensor in tensors { writer.add(tensor) }
        return writer.image()
    }
}

extension GGUFWriterTensor {
    /// An F32 tensor; `shape` is innermost first.
    public init(name: String, shape: [Int], floats: [Float]) {
        precondition(floats.count == shape.reduce(1, *))
        self.init(
            name: name, type: BlockFormat.f32.rawValue, shape: shape,
            bytes: floats.flatMap { littleEndianBytes($0.bitPattern) })
    }

    /// The elements, decoded.
    public var floats: [Float] { BlockFormat(rawValue: type)?.decoded(bytes) ?? [] }
}
