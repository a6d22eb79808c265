// SPDX-License-Identifier: Apache-2.0
import Foundation
import GGUF
import ModelTestSupport
import TensorOps
import TestSupport
import Testing

@testable import Pictures
@testable import Weights

/// The projectors against their definitions in double precision.
@Suite struct LLaVAProjectorTests {
    private let pair = TinyPair()
    private let rows = gaussians("features", 5 * 16, 1)

    private func project(_ pair: TinyPair) throws -> [Float] {
        try encoder(pair).projector.project(Activations(rows, width: 16)).array
    }

    private func encoder(_ pair: TinyPair) throws -> TiledEncoder {
        try #require(pair.load().pictureEncoder as? TiledEncoder)
    }

    private func kind(_ pair: TinyPair) throws -> LLaVAProjectorKind {
        try pair.withPaths { _, projector in try LLaVAProjectorKind(GGUFFile(path: projector)) }
    }

    /// `W x + b` of each row.
    private func linear(_ file: TinyFile, _ name: String, _ input: [Double]) -> [Double] {
        let weights = file.floats("\(name).weight").map(Double.init)
        let bias = file.floats("\(name).bias").map(Double.init)
        let inputs = weights.count / 16
        return (0..<input.count / inputs).flatMap { row in
            (0..<16).map { output in
                (0..<inputs).reduce(bias.isEmpty ? 0 : bias[output]) {
                    $0 + weights[output * inputs + $1] * input[row * inputs + $1]
                }
            }
        }
    }

    private func gelu(_ input: [Double]) -> [Double] {
        input.map { $0 / 2 * (1 + erf($0 / 2.0.squareRoot())) }
    }

    private func norm(_ file: TinyFile, _ name: String, _ input: [Double]) -> [Double] {
        let (weight, bias) = (file.floats("\(name).weight"), file.floats("\(name).bias"))
        return stride(from: 0, to: input.count, by: 16).flatMap { start in
            let row = input[start..<start + 16]
            let mean = row.reduce(0, +) / 16
            let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 16
            return row.enumerated().map { index, value in
                (value - mean) / (variance + 1e-5).squareRoot() * Double(weight[index])
                    + Double(bias[index])
            }
        }
    }

    private var input: [Double] { rows.map(Double.init) }

    @Test func mlpIsTwoLayersAndAnExactGELU() throws {
        let hidden = gelu(linear(pair.projector, "mm.0", input))
        let expected = linear(pair.projector, "mm.2", hidden).map { Float($0) }
        // The tanh form would differ by about 1e-4.
        #expect(relativeError(try project(pair), expected) < 1e-6)
    }

    @Test func absentTypeMeansTheLayersThatAreThere() throws {
        let unnamed = pair.changed { $0.projector["clip.projector_type"] = nil }
        #expect(try project(unnamed) == (try project(pair)))
        let newer = unnamed.changed {
            $0.projector["clip.vision.projector_type"] = .string("mlp")
        }
        #expect(try project(newer) == (try project(pair)))
    }

    @Test(arguments: ["mlp", "linear", nil] as [String?])
    func linearIsOneLayer(name: String?) throws {
        let linearPair = pair.changed {
            $0.projector["clip.projector_type"] = name.map { .string($0) }
            $0.projector[tensor: "mm.2.weight"] = nil
            $0.projector[tensor: "mm.2.bias"] = nil
        }
        #expect(try kind(linearPair) == .linear)
        let expected = linear(pair.projector, "mm.0", input).map { Float($0) }
        #expect(relativeError(try project(linearPair), expected) < 1e-6)
    }

    /// LLaVA on Yi: `mm.0`, norm `mm.1`, GELU, `mm.3`, norm `mm.4`; some files call it `mlp`.
    private func normed(_ name: String) -> TinyPair {
        pair.changed {
            $0.projector["clip.projector_type"] = .string(name)
            $0.projector.rename { $0.replacing("mm.2.", with: "mm.3.") }
            for index in [1, 4] {
                let weights = gaussians("norm \(index)", 16, 0.3).map { 1 + $0 }
                $0.projector.set("mm.\(index).weight", shape: [16], floats: weights)
                $0.projector.set(
                    "mm.\(index).bias", shape: [16], floats: gaussians("bias \(index)", 16, 0.3))
            }
        }
    }

    @Test(arguments: ["mlp", "mlp_norm"])
    func mlpNormIsTwoNormedLayers(name: String) throws {
        let pair = normed(name)
        #expect(try kind(pair) == .mlpNorm)
        let hidden = gelu(
            norm(pair.projector, "mm.1", linear(pair.projector, "mm.0", input)))
        let expected = norm(pair.projector, "mm.4", linear(pair.projector, "mm.3", hidden))
        #expect(relativeError(try project(pair), expected.map { Float($0) }) < 1e-5)
    }

    @Test func biasesAreOptional() throws {
        let unbiased = pair.changed {
            $0.projector[tensor: "mm.0.bias"] = nil
            $0.projector[tensor: "mm.2.bias"] = nil
        }
        let hidden = gelu(linear(unbiased.projector, "mm.0", input))
        let expected = linear(unbiased.projector, "mm.2", hidden).map { Float($0) }
        #expect(relativeError(try project(unbiased), expected) < 1e-6)
    }

    @Test(arguments: ["ldp", "ldpv2", "resampler", ""])
    func otherProjectorsAreRefusedByName(name: String) throws {
        let other = pair.changed { $0.projector["clip.projector_type"] = .string(name) }
        #expect(
            try other.refusal()
                == "mmproj.gguf: clip.projector_type is \(name), which is not supported; supported: "
                + "mlp, linear, mlp_norm")
    }

    @Test func deeperProjectorsAreRefused() throws {
        let deeper = pair.changed {
            $0.projector.set("mm.4.weight", shape: [16, 16], floats: gaussians("mm.4", 256, 1))
        }
        #expect(
            try deeper.refusal()
                == "mmproj.gguf: clip.projector_type is mlp of mm.0, mm.2, mm.4, which is not "
                + "supported; supported: mm.0, mm.2")
    }

    @Test func shapesMustFollowEachOther() throws {
        func refusal(_ name: String, _ shape: [Int]) throws -> String? {
            try pair.changed {
                $0.projector.set(
                    name, shape: shape, floats: gaussians(name, shape.reduce(1, *), 1))
            }.refusal()
        }
        #expect(
            try refusal("mm.0.weight", [17, 16])
                == "mmproj.gguf: tensor mm.0.weight has shape [17, 16], expected [16, -1]")
        #expect(
            try refusal("mm.2.weight", [17, 16])
                == "mmproj.gguf: tensor mm.2.weight has shape [17, 16], expected [16, -1]")
        #expect(
            try refusal("mm.0.bias", [15])
                == "mmproj.gguf: tensor mm.0.bias has shape [15], expected [16]")
        let missing = pair.changed { $0.projector[tensor: "mm.0.weight"] = nil }
        #expect(try missing.refusal() == "mmproj.gguf: tensor mm.0.weight is missing")
        // The second layer decides what the decoder gets.
        #expect(
            try refusal("mm.2.weight", [16, 15])?.contains("mm.2.bias") == true)
    }
}
