// SPDX-License-Identifier: Apache-2.0
import BlockFormats

/// A weight matrix where its file has it: one row per output, quantised along the inputs.
public struct WeightMatrix: Sendable {
    /// The tensor's name in the file.
    public let name: String
    /// How the numbers are stored.
    public let format: BlockFormat
    /// Rows.
    public let outputs: Int
    /// Columns; a multiple of the format's block length.
    public let inputs: Int

    private nonisolated(unsafe) let bytes: UnsafeRawPointer  // [outputs, inputs] in blocks
    private let owner: any AnyObject & Sendable

    /// A view of `bytes`, which `owner` keeps alive.
    public init(
        name: String, format: BlockFormat, outputs: Int, inputs: Int, bytes: UnsafeRawPointer,
        owner: any AnyObject & Sendable
    ) {
        precondition(inputs % format.blockLength == 0)
        self.name = name
        self.format = format
        self.outputs = outputs
        self.inputs = inputs
        self.bytes = bytes
        self.owner = owner
    }

    /// A float matrix with the given numbers.
    public init(name: String, values: [Float], inputs: Int) {
        let storage = Activations(values, width: inputs)
        self.init(
            name: name, format: .f32, outputs: storage.rows, inputs: inputs,
            bytes: UnsafeRawPointer(storage.values), owner: storage)
    }

    /// Bytes that the numbers take.
    public var byteCount: Int { outputs * rowBytes }

    /// The outputs in `range` as a matrix of their own, sharing the memory.
    public func rows(_ range: Range<Int>) -> WeightMatrix {
        precondition(range.lowerBound >= 0 && range.upperBound <= outputs)
        return WeightMatrix(
            name: name, format: format, outputs: range.count, inputs: inputs,
            bytes: bytes + range.lowerBound * rowBytes, owner: owner)
    }

    /// Decodes rows exactly into `out`, which has room for `range.count · inputs` numbers.
    public func decode(rows range: Range<Int>, into out: UnsafeMutablePointer<Float>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= outputs)
        format.decode(
            bytes + range.lowerBound * rowBytes, count: range.count * inputs, into: out)
    }

    /// The rows' numbers in place, when they are stored as aligned floats.
    func floats(row: Int) -> UnsafePointer<Float>? {
        guard format == .f32, Int(bitPattern: bytes) % MemoryLayout<Float>.alignment == 0 else {
            return nil
        }
        return (bytes + row * rowBytes).assumingMemoryBound(to: Float.self)
    }

    private var rowBytes: Int { format.byteCount(of: inputs) }
}

/// A linear layer: `y = W x + b`.
public struct LinearLayer: Sendable {
    /// W.
    public let weight: WeightMatrix  // [outputs, inputs]
    /// b, where the layer has one.
    public let bias: [Float]?  // [outputs]

    /// A layer of `weight` and, optionally, as many biases as it has outputs.
    public init(weight: WeightMatrix, bias: [Float]? = nil) {
        precondition(bias.map { $0.count == weight.outputs } ?? true)
        self.weight = weight
        self.bias = bias
    }

    /// The outputs in `range` as a layer of their own, sharing the weights.
    public func rows(_ range: Range<Int>) -> LinearLayer {
        LinearLayer(weight: weight.rows(range), bias: bias.map { Array($0[range]) })
    }
}
