// SPDX-License-Identifier: Apache-2.0
import GGUF
import TensorOps
import Weights

/// LLaVA's networks between the vision tower and the decoder.
package enum LLaVAProjectorKind: String, CaseIterable, Sendable {
    /// Two linear layers with a GELU between (LLaVA-1.5 and later).
    case mlp
    /// One linear layer (LLaVA-1.0).
    case linear
    /// Two linear layers, each followed by a layer normalisation (LLaVA with Yi).
    case mlpNorm = "mlp_norm"

    /// The numbers of its layers that have weights.
    var layers: [Int] {
        switch self {
        case .mlp: [0, 2]
        case .linear: [0]
        case .mlpNorm: [0, 1, 3, 4]
        }
    }
}

extension LLaVAProjectorKind {
    /// The projector of an mmproj file.
    ///
    /// Files of 2023 do not name theirs; its layers identify it.
    ///
    /// - Throws: `ModelError` for other projectors.
    package init(_ file: GGUFFile) throws(ModelError) {
        let loader = TensorLoader(file)
        let layers = (0..<8).filter {
            loader.contains("\(VisionTensors.projectorLayer($0)).weight")
        }
        try self.init(file.metadata, layers: Set(layers))
    }

    /// The projector of a file that stores these layers.
    ///
    /// - Throws: `ModelError` for other projectors.
    init(_ metadata: GGUFMetadata, layers: Set<Int>) throws(ModelError) {
        let clip = Hyperparameters(metadata: metadata, prefix: "clip")
        let named = try clip.projectorType() ?? Self.mlp.rawValue
        guard var kind = Self(rawValue: named) else {
            throw clip.unsupported(
                "projector_type", named,
                supported: Self.allCases.map(\.rawValue).joined(separator: ", "))
        }
        if kind == .mlp, layers.contains(3) { kind = .mlpNorm }
        if kind == .mlp, !layers.contains(2) { kind = .linear }
        guard layers.isSubset(of: kind.layers) else {
            let found = layers.sorted().map(VisionTensors.projectorLayer).joined(separator: ", ")
            let known = kind.layers.map(VisionTensors.projectorLayer).joined(separator: ", ")
            throw clip.unsupported(
                "projector_type", "\(kind.rawValue) of \(found)", supported: known)
        }
        self = kind
    }
}

extension Hyperparameters {
    /// What a file calls its projector; those with towers for pictures and sound name each.
    package func projectorType() throws(ModelError) -> String? {
        if let name = try string(ifPresent: "projector_type") { return name }
        return try string(ifPresent: "vision.projector_type")
    }
}

extension Projector {
    /// LLaVA's projector.
    ///
    /// - Parameters:
    ///   - inputs: numbers per row of the tower's features.
    ///   - epsilon: ε of its normalisations.
    /// - Throws: `ModelError`.
    convenience init(
        _ kind: LLaVAProjectorKind, inputs: Int, epsilon: Float, _ loader: TensorLoader,
        _ precision: VisionPrecision, _ ops: TensorOps
    ) throws(ModelError) {
        let name = VisionTensors.projectorLayer
        let first = try loader.projection(name(0), inputs: inputs, precision, ops)
        let inner = first.outputs
        func norm(_ index: Int, width: Int) throws(ModelError) -> Step {
            .norm(try loader.layerNorm(name(index), width: width), epsilon: epsilon)
        }
        switch kind {
        case .linear:
            self.init([.linear(first)], outputWidth: inner, ops)
        case .mlp:
            let last = try loader.projection(name(2), inputs: inner, precision, ops)
            self.init([.linear(first), .gelu, .linear(last)], outputWidth: last.outputs, ops)
        case .mlpNorm:
            let last = try loader.projection(name(3), inputs: inner, precision, ops)
            self.init(
                [
                    .linear(first), try norm(1, width: inner), .gelu, .linear(last),
                    try norm(4, width: last.outputs),
                ], outputWidth: last.outputs, ops)
        }
    }
}
