// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import TestSupport

/// One thing made wrong in one file of a tiny pair.
struct HostileMutation: CustomStringConvertible {
    private enum Change {
        case value(key: String, GGUFWriterValue?)
        case tensor(name: String, GGUFWriterTensor?)
    }

    private let file: WritableKeyPath<TinyPair, TinyFile>
    private let change: Change

    /// Every metadata value gone or replaced by each of the hostile ones.
    static func values(of pair: TinyPair) -> [HostileMutation] {
        files.flatMap { file in
            pair[keyPath: file].pairs.flatMap { entry in
                ([nil] + hostileValues).map {
                    HostileMutation(file: file, change: .value(key: entry.key, $0))
                }
            }
        }
    }

    /// Every tensor gone, of other shapes and types, and of numbers that spoil a sum.
    static func tensors(of pair: TinyPair) -> [HostileMutation] {
        files.flatMap { file in
            pair[keyPath: file].tensors.flatMap { tensor in
                ([nil] + hostileVariants(of: tensor)).map {
                    HostileMutation(file: file, change: .tensor(name: tensor.name, $0))
                }
            }
        }
    }

    private static var files: [WritableKeyPath<TinyPair, TinyFile>] { [\.text, \.projector] }

    func apply(to pair: inout TinyPair) {
        switch change {
        case .value(let key, let value): pair[keyPath: file][key] = value
        case .tensor(let name, let tensor): pair[keyPath: file][tensor: name] = tensor
        }
    }

    var description: String {
        switch change {
        case .value(let key, let value): "\(key) = \("\(value as Any)".prefix(160))"
        case .tensor(let name, nil): "\(name) gone"
        case .tensor(let name, let tensor?): "\(name): type \(tensor.type), \(tensor.shape)"
        }
    }
}

/// Values of all types, at the ends of their ranges and near what models have.
private let hostileValues: [GGUFWriterValue] =
    ([0, 1, 2, 3, 5, 6, 7, 12, 13, 16, 24, 28, 255, 4096, 65_536, 1 << 30, .max] as [UInt32])
    .map(GGUFWriterValue.uint32)
    + ([-1, .min, .max] as [Int64]).map(GGUFWriterValue.int64)
    + [.uint64(.max), .uint8(255), .int8(-128), .uint16(.max)]
    + ([0, -1, .nan, .infinity, .leastNonzeroMagnitude, .greatestFiniteMagnitude] as [Float])
    .map(GGUFWriterValue.float32)
    + [.float64(.greatestFiniteMagnitude), .bool(true), .bool(false)]
    + ["", "llama", "phi3", "clip", "none", "linear", "longrope", "mlp_norm", "gpt2", "<s>"]
    .map(GGUFWriterValue.string)
    + [
        .strings([]), .strings([""]), .strings(.init(repeating: "a", count: 300)),
        .int32s([]), .int32s([0]), .int32s([3, 2, 1]), .int32s([-1, .max, .min]),
        .int32s(.init(repeating: 28, count: 256)), .int32s(.init(repeating: 448, count: 2)),
        .float32s([]), .float32s([.nan, 0, -1]), .float32s([1e-38, 1e-38, 1e-38]),
        .float32s([0, 0, 0]), .float32s(.init(repeating: .infinity, count: 300)),
    ]

private func hostileVariants(of tensor: GGUFWriterTensor) -> [GGUFWriterTensor] {
    let shape = tensor.shape
    var shapes = [[1], [0], [], shape.reversed(), shape + [2], shape.map { 2 * $0 }]
    shapes += shape.indices.flatMap { index in
        [-1, 1].map { step in
            var other = shape
            other[index] += step
            return other
        }
    }
    shapes.append([shape.reduce(1, *)])
    let resized = shapes.map { other in
        GGUFWriterTensor(
            name: tensor.name, shape: other, floats: .init(repeating: 1, count: other.reduce(1, *)))
    }
    let spoilt = ([0, .nan, .infinity, 3e38, -3e38, .leastNonzeroMagnitude] as [Float]).map {
        number in
        GGUFWriterTensor(
            name: tensor.name, shape: shape,
            floats: .init(repeating: number, count: shape.reduce(1, *)))
    }
    let retyped = [BlockFormat.f16, .bf16, .q8_0].map { format in
        // The same number of bytes, so that the file's layout stays right where blocks fill it.
        GGUFWriterTensor(
            name: tensor.name, type: format.rawValue,
            shape: [tensor.bytes.count / format.blockBytes * format.blockLength],
            bytes: .init(
                repeating: 0x7F,
                count: tensor.bytes.count / format.blockBytes * format.blockBytes))
    }
    return resized + spoilt + retyped
}
