// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import Kernels
import TestSupport
import Testing
import WorkerPool

@testable import TensorOps

/// Operations on a few threads for all tests of this target.
let testOps = TensorOps(kernels: .reference, pool: WorkerPool(threadCount: 3))

/// Normally distributed numbers from a seed.
func gaussians(_ count: Int, seed: UInt64) -> [Float] {
    var random = SeededGenerator(seed: seed)
    return (0..<count).map { _ in
        // The sum of twelve uniform numbers has variance 1.
        (0..<12).reduce(Float(-6)) { sum, _ in sum + Float.random(in: 0..<1, using: &random) }
    }
}

@Suite struct LinearTests {
    @Test(arguments: [0, 1, 2, 7, 65], [(1, 1), (3, 5), (63, 64), (64, 31), (65, 7), (131, 257)])
    func floatProductMatchesTheDefinition(rows: Int, shape: (outputs: Int, inputs: Int)) {
        let weights = gaussians(shape.outputs * shape.inputs, seed: 1)
        let bias = gaussians(shape.outputs, seed: 2)
        let layer = LinearLayer(
            weight: WeightMatrix(name: "w", values: weights, inputs: shape.inputs), bias: bias)
        let input = gaussians(rows * shape.inputs, seed: 3)
        let result = testOps.linear(layer, Activations(input, width: shape.inputs))
        #expect(result.rows == rows && result.width == shape.outputs)
        for row in 0..<rows {
            for output in 0..<shape.outputs {
                var (sum, magnitude) = (Double(bias[output]), abs(Double(bias[output])))
                for index in 0..<shape.inputs {
                    let product =
                        Double(weights[output * shape.inputs + index])
                        * Double(input[row * shape.inputs + index])
                    sum += product
                    magnitude += abs(product)
                }
                // Rounding of a sum of n products: at most (n + 1) · ε · Σ|products|.
                let bound = Double(shape.inputs + 2) * Double(Float.ulpOfOne) * magnitude
                #expect(abs(Double(result.row(row)[output]) - sum) <= bound)
            }
        }
    }

    @Test(arguments: BlockFormat.allCases)
    func quantizedProductEqualsTheProductOfDecodedWeights(format: BlockFormat) {
        let (outputs, inputs) = (67, 512)
        var random = SeededGenerator(seed: UInt64(format.rawValue))
        let values = (0..<(outputs * inputs)).map { _ in Float.random(in: -1..<1, using: &random) }
        var bytes = [UInt8](repeating: 0, count: format.byteCount(of: values.count))
        switch format {
        case .f32: bytes = values.flatMap { value in withUnsafeBytes(of: value, Array.init) }
        case .f16, .bf16:
            // Small exponents in either format, so that no number is infinite or NaN.
            for index in bytes.indices {
                bytes[index] =
                    UInt8.random(in: 0...255, using: &random) & (index % 2 == 1 ? 0xBB : 0xFF)
            }
        default:
            for index in bytes.indices { bytes[index] = UInt8.random(in: 0...59, using: &random) }
        }
        let storage = Activations(rows: 1, width: bytes.count / 4 + 4)
        let raw = UnsafeMutableRawPointer(storage.values) + 2  // no alignment in files is promised
        raw.copyMemory(from: bytes, byteCount: bytes.count)
        let quantized = WeightMatrix(
            name: "w", format: format, outputs: outputs, inputs: inputs, bytes: raw, owner: storage)
        let decoded = Activations(rows: outputs, width: inputs)
        quantized.decode(rows: 0..<outputs, into: decoded.values)
        #expect(decoded.isFinite)

        let input = Activations(gaussians(5 * inputs, seed: 4), width: inputs)
        let expected = testOps.linear(
            LinearLayer(weight: WeightMatrix(name: "d", values: decoded.array, inputs: inputs)),
            input)
        let result = testOps.linear(LinearLayer(weight: quantized), input)
        #expect(result.array == expected.array)
    }

    @Test func severalLayersShareOneInput() {
        let input = Activations(gaussians(4 * 32, seed: 5), width: 32)
        let layers = [3, 64, 129].map { outputs in
            LinearLayer(
                weight: WeightMatrix(
                    name: "w", values: gaussians(outputs * 32, seed: UInt64(outputs)), inputs: 32))
        }
        let together = testOps.linear(layers, input)
        for (layer, result) in zip(layers, together) {
            #expect(result.array == testOps.linear(layer, input).array)
        }
    }

    @Test func aResultIsOverwritten() {
        let layer = LinearLayer(
            weight: WeightMatrix(name: "w", values: gaussians(33 * 32, seed: 9), inputs: 32),
            bias: gaussians(33, seed: 10))
        let result = Activations([Float](repeating: .nan, count: 5 * 33), width: 33)
        for seed: UInt64 in [11, 12] {
            let input = Activations(gaussians(5 * 32, seed: seed), width: 32)
            testOps.linear(layer, input, into: result)
            #expect(result.array == testOps.linear(layer, input).array)
        }
    }

    @Test func rowsOfALayerAreItsOutputs() {
        let input = Activations(gaussians(2 * 8, seed: 6), width: 8)
        let layer = LinearLayer(
            weight: WeightMatrix(name: "w", values: gaussians(10 * 8, seed: 7), inputs: 8),
            bias: gaussians(10, seed: 8))
        let whole = testOps.linear(layer, input)
        let part = testOps.linear(layer.rows(3..<7), input)
        for row in 0..<2 {
            for output in 0..<4 {
                #expect(abs(part.row(row)[output] - whole.row(row)[output + 3]) < 1e-5)
            }
        }
    }
}
