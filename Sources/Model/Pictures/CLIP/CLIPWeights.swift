// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// The weights of one block of the vision tower.
struct VisionBlock: Sendable {
    let attentionNorm: LayerNorm  // [width]
    let query: LinearLayer  // [width, width]
    let key: LinearLayer  // [width, width]
    let value: LinearLayer  // [width, width]
    let attentionOutput: LinearLayer  // [width, width]
    let feedForwardNorm: LayerNorm  // [width]
    let expand: LinearLayer  // [feedForwardWidth, width]
    let contract: LinearLayer  // [width, feedForwardWidth]
}

/// How the products of the vision tower and the projector are computed.
public enum VisionPrecision: String, CaseIterable, Sendable {
    /// Weights and activations rounded to bytes, with scales for each 32.
    case int8
    /// Weights and activations rounded to bf16.
    case bf16
    /// Exact weights times 32-bit activations: the accuracy reference.
    case float

    /// What weights are rounded to where their shape allows it, or nil for no rounding.
    var encoding: BlockEncoding? {
        switch self {
        case .int8: .q8_0
        case .bf16: .bf16
        case .float: nil
        }
    }
}

extension VisionBlock {
    /// The block with its weights in the given precision.
    func prepared(
        for precision: VisionPrecision, by loader: TensorLoader, _ ops: TensorOps
    ) throws(ModelError) -> VisionBlock {
        func prepared(_ layer: LinearLayer) throws(ModelError) -> LinearLayer {
            try loader.prepared(layer, for: precision, ops)
        }
        return VisionBlock(
            attentionNorm: attentionNorm, query: try prepared(query), key: try prepared(key),
            value: try prepared(value), attentionOutput: try prepared(attentionOutput),
            feedForwardNorm: feedForwardNorm, expand: try prepared(expand),
            contract: try prepared(contract))
    }
}

/// The weights of a CLIP vision tower.
struct VisionWeights: Sendable {
    let classEmbedding: [Float]  // [width]
    let patchEmbedding: LinearLayer  // [width, 3 · patchSide · patchSide]
    let positionEmbedding: [Float]  // [1 + patches, width], the class token's row first
    let preNorm: LayerNorm  // [width]
    let blocks: [VisionBlock]
}

extension TensorLoader {
    /// How many blocks of the vision tower the file stores, from block 0 on.
    var storedVisionBlocks: Int {
        var count = 0
        while contains("\(TensorNames.Vision.block(count, TensorNames.Vision.query)).weight") {
            count += 1
        }
        return count
    }

    func visionWeights(
        _ config: VisionConfig, _ precision: VisionPrecision, _ ops: TensorOps
    ) throws(ModelError) -> VisionWeights {
        let width = config.width
        var blocks: [VisionBlock] = []
        for index in 0..<config.blockCount {
            let block = try visionBlock(index, config)
            blocks.append(try block.prepared(for: precision, by: self, ops))
        }
        skip { $0.hasPrefix("\(TensorNames.Vision.postNorm).") || $0.hasPrefix("v.blk.") }
        return VisionWeights(
            classEmbedding: try vector(TensorNames.Vision.classEmbedding, count: width),
            patchEmbedding: try patchEmbedding(config),
            positionEmbedding: try tensor(
                "\(TensorNames.Vision.positionEmbedding).weight",
                shape: [width, config.patchCount + 1]
            ).floats(),
            preNorm: try layerNorm(TensorNames.Vision.preNorm, width: width),
            blocks: blocks)
    }

    /// The convolution's kernel `[width, 3, side, side]`, as a matrix on flattened patches.
    private func patchEmbedding(_ config: VisionConfig) throws(ModelError) -> LinearLayer {
        let name = TensorNames.Vision.patchEmbedding
        let side = config.patchSide
        let kernel = try tensor("\(name).weight", shape: [side, side, 3, config.width])
        return LinearLayer(
            weight: WeightMatrix(
                name: kernel.name, values: kernel.floats(), inputs: 3 * side * side),
            bias: try vector(ifPresent: "\(name).bias", count: config.width))
    }

    private func visionBlock(
        _ index: Int, _ config: VisionConfig
    ) throws(ModelError) -> VisionBlock {
        let width = config.width
        func name(_ part: String) -> String { TensorNames.Vision.block(index, part) }
        func square(_ part: String) throws(ModelError) -> LinearLayer {
            try linear(name(part), inputs: width, outputs: width)
        }
        let (expand, contract) = try feedForward(index, config)
        return VisionBlock(
            attentionNorm: try layerNorm(name(TensorNames.Vision.attentionNorm), width: width),
            query: try square(TensorNames.Vision.query),
            key: try square(TensorNames.Vision.key),
            value: try square(TensorNames.Vision.value),
            attentionOutput: try square(TensorNames.Vision.attentionOutput),
            feedForwardNorm: try layerNorm(name(TensorNames.Vision.feedForwardNorm), width: width),
            expand: expand, contract: contract)
    }

    /// The block's two linear layers in the order in which they run.
    ///
    /// llama.cpp's LLaVA converter swapped the names `ffn_down` and `ffn_up`, and later ones did
    /// not. The shapes show which layer takes the residual stream.
    private func feedForward(
        _ index: Int, _ config: VisionConfig
    ) throws(ModelError) -> (expand: LinearLayer, contract: LinearLayer) {
        let down = TensorNames.Vision.block(index, TensorNames.Vision.feedForwardDown)
        let up = TensorNames.Vision.block(index, TensorNames.Vision.feedForwardUp)
        let isSwapped = try inputs(of: down) == config.width
        let (first, second) = isSwapped ? (down, up) : (up, down)
        return (
            try linear(first, inputs: config.width, outputs: config.feedForwardWidth),
            try linear(second, inputs: config.feedForwardWidth, outputs: config.width)
        )
    }
}
