// SPDX-License-Identifier: Apache-2.0
import BlockFormats

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A weight matrix at its place in the file: one row per output, quantised along the inputs.
public struct WeightMatrix: Sendable {
    /// The tensor's name in the file.
    public let name: String
    /// How the numbers are stored.
    public let format: BlockFormat
    /// Rows.
    public let outputs: Int
    /// Columns; a multiple of the format's block length.
    public let inputs: Int
    /// The tensor's row at which the matrix starts; not 0 for a part of fused layers.
    public let firstRow: Int

    private nonisolated(unsafe) let bytes: UnsafeRawPointer  // [outputs, inputs] in blocks
    private let owner: any AnyObject & Sendable
    private let isMapped: Bool

    /// A view of `bytes`, which `owner` keeps alive.
    ///
    /// - Parameter isMapped: whether the bytes are a mapped file, which the system can read again.
    public init(
        name: String, format: BlockFormat, outputs: Int, inputs: Int, bytes: UnsafeRawPointer,
        owner: any AnyObject & Sendable, isMapped: Bool = false, firstRow: Int = 0
    ) {
        precondition(inputs % format.blockLength == 0)
        self.name = name
        self.format = format
        self.outputs = outputs
        self.inputs = inputs
        self.bytes = bytes
        self.owner = owner
        self.isMapped = isMapped
        self.firstRow = firstRow
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
            bytes: bytes + range.lowerBound * rowBytes, owner: owner, isMapped: isMapped,
            firstRow: firstRow + range.lowerBound)
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

    /// The bytes of a row and those after it.
    func storedRow(_ index: Int) -> UnsafeRawPointer { bytes + index * rowBytes }

    /// Tells the system that the file's pages are not needed soon.
    ///
    /// They stay readable, and come back from the file when they are read.
    func releasePages() {
        let page = Int(getpagesize())
        let first = (Int(bitPattern: bytes) + page - 1) / page * page
        let end = (Int(bitPattern: bytes) + byteCount) / page * page
        guard first < end, let start = UnsafeMutableRawPointer(bitPattern: first) else { return }
        // Only pages of a mapped file may be released: other memory would lose its content.
        if isMapped { madvise(start, end - first, MADV_DONTNEED) }
    }

    private var rowBytes: Int { format.byteCount(of: inputs) }
}

/// A linear layer: `y = s · W x + b`.
public struct LinearLayer: Sendable {
    /// W as the file has it.
    public let weight: WeightMatrix  // [outputs, inputs]
    /// s, one number for the whole matrix.
    public let scale: Float
    /// b, where the layer has one.
    public let bias: [Float]?  // [outputs]
    /// W in panels, where products take it from there.
    public let packed: PackedMatrix?
    /// Whether x is rounded to bf16, as the numbers in panels are.
    public let roundsInputs: Bool

    /// A layer of `weight` and, optionally, as many biases as it has outputs.
    ///
    /// - Parameter roundsInputs: only for panels of bf16 numbers.
    public init(
        weight: WeightMatrix, scale: Float = 1, bias: [Float]? = nil,
        packed: PackedMatrix? = nil, roundsInputs: Bool = false
    ) {
        precondition(bias.map { $0.count == weight.outputs } ?? true)
        precondition(!roundsInputs || packed?.kind == .bf16)
        self.roundsInputs = roundsInputs
        self.weight = weight
        self.scale = scale
        self.bias = bias
        self.packed = packed
    }

    /// The same layer with W in panels.
    ///
    /// - Parameter roundsInputs: only for panels of bf16 numbers.
    public func with(_ packed: PackedMatrix?, roundsInputs: Bool = false) -> LinearLayer {
        LinearLayer(
            weight: weight, scale: scale, bias: bias, packed: packed, roundsInputs: roundsInputs)
    }

    /// Numbers per row that it takes.
    public var inputs: Int { weight.inputs }
    /// Numbers per row that it gives.
    public var outputs: Int { weight.outputs }

    /// The outputs in `range` as a layer of their own, sharing the weights; not for packed layers.
    public func rows(_ range: Range<Int>) -> LinearLayer {
        precondition(packed == nil)
        return LinearLayer(
            weight: weight.rows(range), scale: scale, bias: bias.map { Array($0[range]) })
    }
}
