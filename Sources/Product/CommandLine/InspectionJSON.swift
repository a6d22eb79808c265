// SPDX-License-Identifier: Apache-2.0
import Foundation
import GGUF
import TrimLLaVA

/// A file's content as one line of JSON with its end.
///
/// `metadata` maps each key to `type` and `value`, arrays also to their full `count`. Non-finite numbers are the
/// strings "inf", "-inf" and "nan".
func inspectionJSON(_ file: GGUFFile, arrayLimit: Int) throws -> String {
    try jsonOutput(Inspection(file: file, arrayLimit: arrayLimit), keys: .useDefaultKeys)
}

private struct Inspection: Encodable {
    let file: GGUFFile
    let arrayLimit: Int

    private enum Field: String, CodingKey {
        case file, version, bytes, template, metadata, tensors, totals
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Field.self)
        try container.encode(file.path, forKey: .file)
        try container.encode(file.version, forKey: .version)
        try container.encode(file.byteCount, forKey: .bytes)
        try container.encodeIfPresent(file.promptTemplate?.rawValue, forKey: .template)
        try container.encode(file.tensors.map(TensorDescription.init), forKey: .tensors)
        try container.encode(formatTotals(file.tensors), forKey: .totals)
        var metadata = container.nestedContainer(keyedBy: MetadataKey.self, forKey: .metadata)
        for (key, value) in file.metadata.entries {
            try metadata.encode(
                ValueDescription(value: value, arrayLimit: arrayLimit),
                forKey: MetadataKey(stringValue: key))
        }
    }
}

private struct TensorDescription: Encodable {
    let name: String
    let type: String
    let shape: [Int]
    let elements: Int
    let bytes: Int
    let file: String
    let offset: Int

    init(_ tensor: GGUFTensor) {
        name = tensor.name
        type = tensor.format.name
        shape = tensor.shape
        elements = tensor.elementCount
        bytes = tensor.byteCount
        file = tensor.fileName
        offset = tensor.fileOffset
    }
}

private struct MetadataKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) {
        self.stringValue = stringValue
    }

    init?(intValue: Int) {
        nil
    }
}

private struct ValueDescription: Encodable {
    let value: GGUFValue
    let arrayLimit: Int

    private enum Field: String, CodingKey {
        case type, count, value
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Field.self)
        try container.encode(value.typeName, forKey: .type)
        if case .array(let array) = value {
            try container.encode(array.count, forKey: .count)
            try container.encode(
                array.prefix(arrayLimit).map(PlainValue.init), forKey: .value)
        } else {
            try container.encode(PlainValue(value: value), forKey: .value)
        }
    }
}

/// A value that encodes as the JSON value of its kind.
private struct PlainValue: Encodable {
    let value: GGUFValue

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch value {
        case .uint8(let value): try container.encode(value)
        case .int8(let value): try container.encode(value)
        case .uint16(let value): try container.encode(value)
        case .int16(let value): try container.encode(value)
        case .uint32(let value): try container.encode(value)
        case .int32(let value): try container.encode(value)
        case .uint64(let value): try container.encode(value)
        case .int64(let value): try container.encode(value)
        case .float32(let value): try container.encode(value)
        case .float64(let value): try container.encode(value)
        case .bool(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let array):
            try container.encode(array.prefix(array.count).map(PlainValue.init))
        }
    }
}
