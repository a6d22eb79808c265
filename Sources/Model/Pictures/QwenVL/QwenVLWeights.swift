// SPDX-License-Identifier: Apache-2.0
import TensorOps
import Weights

/// A normalisation of either kind.
enum VisionNorm: Sendable {
    case layer(LayerNorm)
    case rootMeanSquare([Float])  // [width]
}

/// The feed-forward network of a block.
enum QwenVLFeedForward: Sendable {
    /// Two layers with an activation between.
    case plain(expand: LinearLayer, FeedForwardActivation, contract: LinearLayer)
    /// `contract(silu(gate) · up)`.
    case gated(gate: LinearLayer, up: LinearLayer, contract: LinearLayer)
}

/// The weights of one block of a Qwen-VL's tower.
struct QwenVLBlock: Sendable {
    let attentionNorm: VisionNorm  // [width]
    let query: LinearLayer  // [width, width]
    let key: LinearLayer  // [width, width]
    let value: LinearLayer  // [width, width]
    let attentionOutput: LinearLayer  // [width, width]
    let feedForwardNorm: VisionNorm  // [width]
    let feedForward: QwenVLFeedForward
}

/// What turns the patches of a cell into a row of the decoder's width.
struct QwenVLMerger: Sendable {
    /// Of each patch, or of all patches of a cell together.
    let norm: VisionNorm  // [width] or [mergedWidth]
    let normsCells: Bool
    let expand: LinearLayer  // [mergedWidth, mergedWidth]
    let contract: LinearLayer  // [decoder width, mergedWidth]
}

/// The weights of a Qwen-VL's vision tower.
struct QwenVLWeights: Sendable {
    let patchEmbedding: LinearLayer  // [width, 3 · patchSide · patchSide]
    let positionEmbedding: [Float]?  // [positionsPerSide · positionsPerSide, width]
    let blocks: [QwenVLBlock]
    let merger: QwenVLMerger
    /// One for each tap.
    let tapMergers: [QwenVLMerger]
}

/// Takes a Qwen-VL's tensors from a file.
struct QwenVLLoader {
    let config: QwenVLConfig
    let loader: TensorLoader
    let precision: VisionPrecision
    let ops: TensorOps

    func weights() throws(ModelError) -> QwenVLWeights {
        var blocks: [QwenVLBlock] = []
        for index in 0..<config.blockCount { blocks.append(try block(index)) }
        var tapMergers: [QwenVLMerger] = []
        for tap in config.taps {
            let name = "\(VisionTensors.deepstack)\(tap)."
            tapMergers.append(
                try merger(
                    norm: name + "norm", normsCells: true, expand: name + "fc1",
                    contract: name + "fc2"))
        }
        let positions: [Float]? =
            if let side = config.positionsPerSide {
                try loader.tensor(
                    "\(VisionTensors.positionEmbedding).weight",
                    shape: [config.width, side * side]
                ).floats()
            } else {
                nil
            }
        return QwenVLWeights(
            patchEmbedding: try patchEmbedding(), positionEmbedding: positions, blocks: blocks,
            merger: try merger(
                norm: VisionTensors.postNorm, normsCells: false,
                expand: VisionTensors.projectorLayer(0), contract: VisionTensors.projectorLayer(2)),
            tapMergers: tapMergers)
    }

    /// The kernels of both frames of a patch as one matrix: the frames of a picture are equal.
    private func patchEmbedding() throws(ModelError) -> LinearLayer {
        let name = "\(VisionTensors.patchEmbedding).weight"
        let shape = [config.patchSide, config.patchSide, 3, config.width]
        var kernel = try loader.tensor(name, shape: shape).floats()
        let second = try loader.tensor("\(name).1", shape: shape).floats()
        for index in kernel.indices { kernel[index] += second[index] }
        return LinearLayer(
            weight: WeightMatrix(
                name: name, values: kernel, inputs: 3 * config.patchSide * config.patchSide),
            bias: try loader.vector(
                ifPresent: "\(VisionTensors.patchEmbedding).bias", count: config.width))
    }

    private func norm(_ name: String, width: Int) throws(ModelError) -> VisionNorm {
        config.generation == .qwen2_5
            ? .rootMeanSquare(try loader.vector("\(name).weight", count: width))
            : .layer(try loader.layerNorm(name, width: width))
    }

    private func layer(
        _ name: String, inputs: Int, outputs: Int
    ) throws(ModelError) -> LinearLayer {
        try loader.prepared(
            loader.linear(name, inputs: inputs, outputs: outputs), for: precision, ops)
    }

    private func block(_ index: Int) throws(ModelError) -> QwenVLBlock {
        func name(_ part: String) -> String { VisionTensors.block(index, part) }
        let width = config.width
        let heads = try attentionInputs(index)
        return QwenVLBlock(
            attentionNorm: try norm(name(VisionTensors.attentionNorm), width: width),
            query: heads[0], key: heads[1], value: heads[2],
            attentionOutput: try layer(
                name(VisionTensors.attentionOutput), inputs: width, outputs: width),
            feedForwardNorm: try norm(name(VisionTensors.feedForwardNorm), width: width),
            feedForward: try feedForward(index))
    }

    /// The layers of queries, keys and values, which some files have as one.
    private func attentionInputs(_ index: Int) throws(ModelError) -> [LinearLayer] {
        let width = config.width
        let fused = VisionTensors.block(index, VisionTensors.queryKeyValue)
        var layers: [LinearLayer] = []
        if loader.contains("\(fused).weight") {
            let all = try loader.linear(fused, inputs: width, outputs: 3 * width)
            for part in 0..<3 {
                layers.append(
                    try loader.prepared(
                        all.rows(part * width..<(part + 1) * width), for: precision, ops))
            }
        } else {
            for part in [VisionTensors.query, VisionTensors.key, VisionTensors.value] {
                layers.append(
                    try layer(VisionTensors.block(index, part), inputs: width, outputs: width))
            }
        }
        return layers
    }

    private func feedForward(_ index: Int) throws(ModelError) -> QwenVLFeedForward {
        let (width, inner) = (config.width, config.feedForwardWidth)
        func name(_ part: String) -> String { VisionTensors.block(index, part) }
        var (up, down) = (name(VisionTensors.feedForwardUp), name(VisionTensors.feedForwardDown))
        // Earlier converters exchanged the two names.
        if try loader.inputs(of: up) != width { (up, down) = (down, up) }
        let expand = try layer(up, inputs: width, outputs: inner)
        let contract = try layer(down, inputs: inner, outputs: width)
        switch config.generation {
        case .qwen2: return .plain(expand: expand, .quickGELU, contract: contract)
        case .qwen3: return .plain(expand: expand, .geluTanh, contract: contract)
        case .qwen2_5:
            let gate = try layer(name(VisionTensors.feedForwardGate), inputs: width, outputs: inner)
            return .gated(gate: gate, up: expand, contract: contract)
        }
    }

    private func merger(
        norm name: String, normsCells: Bool, expand: String, contract: String
    ) throws(ModelError) -> QwenVLMerger {
        let merged = config.mergedWidth
        return QwenVLMerger(
            norm: try norm(name, width: normsCells ? merged : config.width),
            normsCells: normsCells,
            expand: try layer(expand, inputs: merged, outputs: merged),
            contract: try loader.projection(contract, inputs: merged, precision, ops))
    }
}
