// SPDX-License-Identifier: Apache-2.0
import COpenBLAS

extension TensorOps {
    /// Outputs that one thread computes at a time: their decoded weights, 1 MB at 4096 inputs, stay
    /// in a core's second-level cache.
    private static let outputsPerChunk = 64

    /// `input · Wᵀ + b`.
    public func linear(_ layer: LinearLayer, _ input: Activations) -> Activations {
        linear([layer], input)[0]
    }

    /// The products of several layers with one input, in one fork-join.
    public func linear(_ layers: [LinearLayer], _ input: Activations) -> [Activations] {
        let results = layers.map { activations(rows: input.rows, width: $0.outputs) }
        linear(layers, input, into: results)
        return results
    }

    /// The products of several layers with one input, in one fork-join.
    ///
    /// - Parameter results: as many rows as the input, and as wide as the layers' outputs.
    public func linear(_ layers: [LinearLayer], _ input: Activations, into results: [Activations]) {
        for (layer, result) in zip(layers, results) {
            precondition(layer.inputs == input.width, "a layer takes \(layer.inputs) inputs")
            precondition(result.rows == input.rows && result.width == layer.outputs)
        }
        if layers.contains(where: { $0.packed != nil }) {
            packedLinear(layers, input, activationMode.scaling ?? .powerOfTwo, into: results)
        }
        if layers.contains(where: { $0.packed == nil }) {
            floatLinear(layers, input, into: results)
        }
    }

    /// The products of those layers that are not packed.
    private func floatLinear(
        _ layers: [LinearLayer], _ input: Activations, into results: [Activations]
    ) {
        guard input.rows > 0 else { return }
        let chunks = layers.indices.filter { layers[$0].packed == nil }.flatMap { index in
            stride(from: 0, to: layers[index].outputs, by: Self.outputsPerChunk).map {
                (index, $0..<min($0 + Self.outputsPerChunk, layers[index].outputs))
            }
        }
        pool.forEach(chunks.count) { chunk, thread in
            let (index, outputs) = chunks[chunk]
            multiply(layers[index], outputs, input, into: results[index], thread)
        }
    }

    private func multiply(
        _ layer: LinearLayer, _ outputs: Range<Int>, _ input: Activations,
        into result: Activations, _ thread: Int
    ) {
        let weight = layer.weight
        precondition(input.width == weight.inputs, "\(weight.name) takes \(weight.inputs) inputs")
        let rows: UnsafePointer<Float>
        if let stored = weight.floats(row: outputs.lowerBound) {
            rows = stored
        } else {
            let decoded = scratch.floats(outputs.count * weight.inputs, thread: thread)
            weight.decode(rows: outputs, into: decoded)
            rows = UnsafePointer(decoded)
        }
        let inputs = Int32(weight.inputs)
        cblas_sgemm(
            CblasRowMajor, CblasNoTrans, CblasTrans, Int32(input.rows), Int32(outputs.count),
            inputs, 1, input.values, inputs, rows, inputs, 0,
            result.values + outputs.lowerBound, Int32(result.width))
        guard let bias = layer.bias else { return }
        for row in 0..<result.rows {
            let values = result.row(row)
            for output in outputs { values[output] += bias[output] }
        }
    }
}
