// SPDX-License-Identifier: Apache-2.0
import GGUF
import TensorOps

/// Takes tensors from a file by name, checks their shapes, and remembers which were taken.
package final class TensorLoader {
    package let file: GGUFFile
    private let packing: PackingOptions
    private let cache: PanelCache?
    private let onPacked: (_ bytes: Int) -> Void
    private var taken: Set<String> = []

    /// - Parameters:
    ///   - rounding: how the file's matrices are rounded, for the cache.
    ///   - onPacked: called with the bytes that each packed or cached matrix takes in the file.
    package init(
        _ file: GGUFFile, _ packing: PackingOptions = PackingOptions(), rounding: String = "",
        onPacked: @escaping (_ bytes: Int) -> Void = { _ in }
    ) {
        self.file = file
        self.packing = packing
        self.onPacked = onPacked
        cache = packing.cacheFolder.map { PanelCache(folder: $0, of: file, rounding: rounding) }
    }

    /// Writes packed matrices to the cache, if there is one.
    package func saveCache(_ ops: TensorOps, onProgress: (Double) -> Void) {
        cache?.save(ops.pool, onProgress: onProgress)
    }

    /// Warnings about the file and its cache.
    package var warnings: [String] { unusedTensorWarnings + (cache?.warnings ?? []) }

    private var unusedTensorWarnings: [String] {
        let names = untakenNames
        guard !names.isEmpty else { return [] }
        let shown = names.prefix(4).joined(separator: ", ")
        let more = names.count > 4 ? ", …" : ""
        let noun = names.count == 1 ? "tensor" : "tensors"
        return ["\(file.path): \(names.count) unused \(noun): \(shown)\(more)"]
    }

    /// Tensors of the file that were not asked for.
    private var untakenNames: [String] { file.tensors.map(\.name).filter { !taken.contains($0) } }

    package func contains(_ name: String) -> Bool { file.tensor(name) != nil }

    /// Marks tensors as known that the model does not use.
    package func skip(where isKnown: (String) -> Bool) {
        for tensor in file.tensors where isKnown(tensor.name) { taken.insert(tensor.name) }
    }

    /// `name.weight` as a matrix.
    package func matrix(_ name: String, inputs: Int, outputs: Int) throws(ModelError)
        -> WeightMatrix
    {
        let tensor = try tensor("\(name).weight", shape: [inputs, outputs])
        guard let bytes = tensor.bytes.baseAddress else {
            throw .missingTensor(file: file.path, name: tensor.name)
        }
        return WeightMatrix(
            name: tensor.name, format: tensor.format, outputs: outputs, inputs: inputs,
            bytes: bytes, owner: file, isMapped: true)
    }

    /// `name.weight` and, where there are any, `name.scale` and `name.bias`.
    ///
    /// NVFP4's scales of groups are small numbers, which llama.cpp's converter multiplies by one more of the
    /// whole matrix.
    package func linear(_ name: String, inputs: Int, outputs: Int) throws(ModelError) -> LinearLayer
    {
        LinearLayer(
            weight: try matrix(name, inputs: inputs, outputs: outputs),
            scale: try vector(ifPresent: "\(name).scale", count: 1)?[0] ?? 1,
            bias: try vector(ifPresent: "\(name).bias", count: outputs))
    }

    /// The layer with its weights in panels for the text model's products.
    ///
    /// Where activations stay floats, only matrices of floats are packed.
    package func packed(_ layer: LinearLayer, _ ops: TensorOps) throws(ModelError) -> LinearLayer {
        guard ops.activationMode != .float else { return try packedFloats(layer, ops) }
        let isFloat = layer.weight.format.blockLength == 1
        return try packed(layer, roundedTo: isFloat ? packing.floatEncoding : nil, ops)
    }

    /// The layer with its weights prepared for the vision tower's products.
    package func prepared(
        _ layer: LinearLayer, for precision: VisionPrecision, _ ops: TensorOps
    ) throws(ModelError) -> LinearLayer {
        guard let encoding = precision.encoding else { return try packedFloats(layer, ops) }
        let packed = try packed(layer, roundedTo: encoding, ops)
        guard precision == .bf16 else { return packed }
        return packed.with(packed.packed, roundsInputs: true)
    }

    /// The layer with its weights in panels if they are floats, or unchanged if not.
    private func packedFloats(
        _ layer: LinearLayer, _ ops: TensorOps
    ) throws(ModelError) -> LinearLayer {
        guard layer.weight.format.blockLength == 1 else { return layer }
        return try packed(layer, roundedTo: nil, ops)
    }

    /// - Parameter encoding: what weights are rounded to where their rows have at least a block.
    private func packed(
        _ layer: LinearLayer, roundedTo encoding: BlockEncoding?, _ ops: TensorOps
    ) throws(ModelError) -> LinearLayer {
        let weight = layer.weight
        defer { onPacked(weight.byteCount) }
        let fitting = encoding.flatMap { weight.inputs >= $0.format.blockLength ? $0 : nil }
        guard let shape = PackedShape(packing: weight, roundedTo: fitting?.format) else {
            return layer
        }
        if let found = cache?.matrix(weight, shape, ops.pool) {
            return layer.with(found)
        }
        do throws(PackingError) {
            let packed =
                if let fitting {
                    try ops.packRounded(weight, to: fitting)
                } else {
                    try ops.pack(weight)
                }
            if let packed { cache?.add(packed, for: weight) }
            return layer.with(packed)
        } catch {
            switch error {
            case .notFinite(let tensor, let row):
                throw .weightNotFinite(file: file.path, tensor: tensor, row: row)
            case .noMemory(let tensor, let bytes):
                throw .weightsTooLarge(file: file.path, tensor: tensor, bytes: bytes)
            }
        }
    }

    /// `name.weight` and `name.bias` of a layer normalisation.
    package func layerNorm(_ name: String, width: Int) throws(ModelError) -> LayerNorm {
        LayerNorm(
            weight: try vector("\(name).weight", count: width),
            bias: try vector("\(name).bias", count: width))
    }

    /// A tensor of `count` numbers under its full name, decoded.
    package func vector(_ name: String, count: Int) throws(ModelError) -> [Float] {
        try tensor(name, shape: [count]).floats()
    }

    package func vector(ifPresent name: String, count: Int) throws(ModelError) -> [Float]? {
        contains(name) ? try vector(name, count: count) : nil
    }

    /// The number of outputs of `name.weight`, a matrix with the given inputs.
    package func outputs(of name: String, inputs: Int, upTo limit: Int) throws(ModelError) -> Int {
        let tensor = try tensor(named: "\(name).weight")
        guard
            tensor.shape.count == 2, tensor.shape[0] == inputs,
            (1...limit).contains(tensor.shape[1])
        else {
            throw .wrongShape(
                file: file.path, tensor: tensor.name, found: tensor.shape, expected: [inputs, -1])
        }
        return tensor.shape[1]
    }

    /// The innermost dimension of `name.weight`.
    package func inputs(of name: String) throws(ModelError) -> Int {
        let tensor = try tensor(named: "\(name).weight")
        guard let inputs = tensor.shape.first else {
            throw .wrongShape(file: file.path, tensor: tensor.name, found: [], expected: [-1, -1])
        }
        return inputs
    }

    package func tensor(_ name: String, shape: [Int]) throws(ModelError) -> GGUFTensor {
        let tensor = try tensor(named: name)
        guard Self.significant(tensor.shape) == Self.significant(shape) else {
            throw .wrongShape(
                file: file.path, tensor: name, found: tensor.shape, expected: shape)
        }
        return tensor
    }

    private func tensor(named name: String) throws(ModelError) -> GGUFTensor {
        guard let tensor = file.tensor(name) else {
            throw .missingTensor(file: file.path, name: name)
        }
        taken.insert(name)
        return tensor
    }

    /// A shape without outer dimensions of 1, which some writers add and others omit.
    private static func significant(_ shape: [Int]) -> ArraySlice<Int> {
        var significant = shape[...]
        while significant.count > 1, significant.last == 1 { significant.removeLast() }
        return significant
    }
}
