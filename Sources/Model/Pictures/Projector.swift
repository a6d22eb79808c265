// SPDX-License-Identifier: Apache-2.0
import TensorOps
import Weights

/// The network that turns a vision tower's features into rows of the decoder's width.
final class Projector: Sendable {
    /// One step of the network.
    enum Step {
        case linear(LinearLayer)
        case gelu
        case norm(LayerNorm, epsilon: Float)
    }

    /// Numbers per output row.
    let outputWidth: Int

    private let steps: [Step]
    private let ops: TensorOps

    init(_ steps: [Step], outputWidth: Int, _ ops: TensorOps) {
        (self.steps, self.outputWidth, self.ops) = (steps, outputWidth, ops)
    }

    /// The same network, computing on other threads.
    convenience init(_ projector: Projector, computingBy ops: TensorOps) {
        self.init(projector.steps, outputWidth: projector.outputWidth, ops)
    }

    /// `[cells, width of the features]` → `[cells, outputWidth]`.
    ///
    /// - Throws: `ModelError.notFinite`.
    func project(_ features: Activations) throws(ModelError) -> Activations {
        let projected = steps.reduce(features) { input, step in
            switch step {
            case .linear(let layer): return ops.linear(layer, input)
            case .norm(let norm, let epsilon):
                return ops.layerNorm(input, norm, epsilon: epsilon)
            case .gelu:
                ops.apply(.gelu, to: input)
                return input
            }
        }
        guard projected.isFinite else { throw .notFinite(place: "the projector") }
        return projected
    }
}

extension TensorLoader {
    /// The most numbers per row: 8 times the decoder of any published model.
    private static let widthLimit = 1 << 16

    /// A projector's layer with any number of outputs.
    func projection(
        _ name: String, inputs: Int, _ precision: VisionPrecision, _ ops: TensorOps
    ) throws(ModelError) -> LinearLayer {
        let outputs = try outputs(of: name, inputs: inputs, upTo: Self.widthLimit)
        return try prepared(
            linear(name, inputs: inputs, outputs: outputs), for: precision, ops)
    }
}
