// SPDX-License-Identifier: Apache-2.0
import TensorOps
import Weights

/// The network that turns the vision tower's features into rows of the decoder's width.
final class CLIPProjector: Sendable {
    /// One step of the network.
    private enum Step {
        case linear(LinearLayer)
        case gelu
        case norm(LayerNorm)
    }

    /// The most numbers per row: 8 times the decoder of any published LLaVA.
    private static let widthLimit = 1 << 16

    /// Numbers per output row.
    let outputWidth: Int

    private let steps: [Step]
    private let epsilon: Float
    private let ops: TensorOps

    init(
        _ config: CLIPConfig, _ loader: TensorLoader, _ precision: VisionPrecision,
        _ ops: TensorOps
    ) throws(ModelError) {
        self.ops = ops
        epsilon = config.epsilon
        let first = CLIPTensors.projectorLayer(0)
        let limit = Self.widthLimit
        let inner = try loader.outputs(of: first, inputs: config.featureWidth, upTo: limit)
        func linear(_ name: String, _ inputs: Int, _ outputs: Int) throws(ModelError) -> LinearLayer
        {
            try loader.prepared(
                loader.linear(name, inputs: inputs, outputs: outputs), for: precision, ops)
        }
        let entry = Step.linear(try linear(first, config.featureWidth, inner))
        func second(_ index: Int) throws(ModelError) -> LinearLayer {
            let name = CLIPTensors.projectorLayer(index)
            let outputs = try loader.outputs(of: name, inputs: inner, upTo: limit)
            return try linear(name, inner, outputs)
        }
        switch config.projector {
        case .linear:
            outputWidth = inner
            steps = [entry]
        case .mlp:
            let exit = try second(2)
            outputWidth = exit.weight.outputs
            steps = [entry, .gelu, .linear(exit)]
        case .mlpNorm:
            let exit = try second(3)
            outputWidth = exit.weight.outputs
            steps = [
                entry, .norm(try loader.layerNorm(CLIPTensors.projectorLayer(1), width: inner)),
                .gelu, .linear(exit),
                .norm(try loader.layerNorm(CLIPTensors.projectorLayer(4), width: outputWidth)),
            ]
        }
    }

    /// The same network, computing on other threads.
    init(_ projector: CLIPProjector, computingBy ops: TensorOps) {
        (outputWidth, steps) = (projector.outputWidth, projector.steps)
        (epsilon, self.ops) = (projector.epsilon, ops)
    }

    /// `[patches, featureWidth]` → `[patches, outputWidth]`.
    ///
    /// - Throws: `ModelError.notFinite`.
    func project(_ features: Activations) throws(ModelError) -> Activations {
        let projected = steps.reduce(features) { input, step in
            switch step {
            case .linear(let layer): return ops.linear(layer, input)
            case .norm(let norm): return ops.layerNorm(input, norm, epsilon: epsilon)
            case .gelu:
                ops.apply(.gelu, to: input)
                return input
            }
        }
        guard projected.isFinite else { throw .notFinite(place: "the projector") }
        return projected
    }
}
