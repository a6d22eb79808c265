// SPDX-License-Identifier: Apache-2.0
import TensorOps
import Weights

/// The weights of one block of the vision tower.
struct CLIPBlock: Sendable {
    let attentionNorm: LayerNorm  // [width]
    let query: LinearLayer  // [width, width]
    let key: LinearLayer  // [width, width]
    let value: LinearLayer  // [width, width]
    let attentionOutput: LinearLayer  // [width, width]
    let feedForwardNorm: LayerNorm  // [width]
    let expand: LinearLayer  // [feedForwardWidth, width]
    let contract: LinearLayer  // [width, feedForwardWidth]
}

extension CLIPBlock {
    /// The block with its weights in the given precision.
    func prepared(
        for precision: VisionPrecision, by loader: TensorLoader, _ ops: TensorOps
    ) throws(ModelError) -> CLIPBlock {
        func prepared(_ layer: LinearLayer) throws(ModelError) -> LinearLayer {
            try loader.prepared(layer, for: precision, ops)
        }
        return CLIPBlock(
            attentionNorm: attentionNorm, query: try prepared(query), key: try prepared(key),
            value: try prepared(value), attentionOutput: try prepared(attentionOutput),
            feedForwardNorm: feedForwardNorm, expand: try prepared(expand),
            contract: try prepared(contract))
    }
}

/// The weights of a CLIP vision tower.
struct CLIPWeights: Sendable {
    let classEmbedding: [Float]  // [width]
    let patchEmbedding: LinearLayer  // [width, 3 · patchSide · patchSide]
    let positionEmbedding: [Float]  // [1 + patches, width], the class token's row first
    let preNorm: LayerNorm  // [width]
    let blocks: [CLIPBlock]
}

extension TensorLoader {
    /// How many blocks of the vision tower the file stores, from block 0 on.
    var storedCLIPBlocks: Int {
        var count = 0
        while contains("\(CLIPTensors.block(count, CLIPTensors.query)).weight") {
            count += 1
        }
        return count
    }

    func clipWeights(
        _ config: CLIPConfig, _ precision: VisionPrecision, _ ops: TensorOps
    ) throws(ModelError) -> CLIPWeights {
        let width = config.width
        var blocks: [CLIPBlock] = []
        for index in 0..<config.blockCount {
            let block = try clipBlock(index, config)
            blocks.append(try block.prepared(for: precision, by: self, ops))
        }
        skip { $0.hasPrefix("\(CLIPTensors.postNorm).") || $0.hasPrefix(CLIPTensors.blocks) }
        return CLIPWeights(
            classEmbedding: try vector(CLIPTensors.classEmbedding, count: width),
            patchEmbedding: try patchEmbedding(config),
            positionEmbedding: try tensor(
                "\(CLIPTensors.positionEmbedding).weight",
                shape: [width, config.patchCount + 1]
            ).floats(),
            preNorm: try layerNorm(CLIPTensors.preNorm, width: width),
            blocks: blocks)
    }

    /// The convolution's kernel `[width, 3, side, side]`, as a matrix on flattened patches.
    private func patchEmbedding(_ config: CLIPConfig) throws(ModelError) -> LinearLayer {
        let name = CLIPTensors.patchEmbedding
        let side = config.patchSide
        let kernel = try tensor("\(name).weight", shape: [side, side, 3, config.width])
        return LinearLayer(
            weight: WeightMatrix(
                name: kernel.name, values: kernel.floats(), inputs: 3 * side * side),
            bias: try vector(ifPresent: "\(name).bias", count: config.width))
    }

    private func clipBlock(
        _ index: Int, _ config: CLIPConfig
    ) throws(ModelError) -> CLIPBlock {
        let width = config.width
        func name(_ part: String) -> String { CLIPTensors.block(index, part) }
        func square(_ part: String) throws(ModelError) -> LinearLayer {
            try linear(name(part), inputs: width, outputs: width)
        }
        let (expand, contract) = try feedForward(index, config)
        return CLIPBlock(
            attentionNorm: try layerNorm(name(CLIPTensors.attentionNorm), width: width),
            query: try square(CLIPTensors.query),
            key: try square(CLIPTensors.key),
            value: try square(CLIPTensors.value),
            attentionOutput: try square(CLIPTensors.attentionOutput),
            feedForwardNorm: try layerNorm(name(CLIPTensors.feedForwardNorm), width: width),
            expand: expand, contract: contract)
    }

    /// The block's two linear layers in the order in which they run.
    ///
    /// llama.cpp's LLaVA converter swapped the names `ffn_down` and `ffn_up`, and later ones did
    /// not. The shapes show which layer takes the residual stream.
    private func feedForward(
        _ index: Int, _ config: CLIPConfig
    ) throws(ModelError) -> (expand: LinearLayer, contract: LinearLayer) {
        let down = CLIPTensors.block(index, CLIPTensors.feedForwardDown)
        let up = CLIPTensors.block(index, CLIPTensors.feedForwardUp)
        let isSwapped = try inputs(of: down) == config.width
        let (first, second) = isSwapped ? (down, up) : (up, down)
        return (
            try linear(first, inputs: config.width, outputs: config.feedForwardWidth),
            try linear(second, inputs: config.feedForwardWidth, outputs: config.width)
        )
    }
}
