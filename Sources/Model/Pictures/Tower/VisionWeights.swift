// SPDX-License-Identifier: Apache-2.0
import TensorOps
import Weights

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

/// The weights of a vision tower.
struct VisionWeights: Sendable {
    let classEmbedding: [Float]?  // [width]
    let patchEmbedding: LinearLayer  // [width, 3 · patchSide · patchSide]
    let positionEmbedding: [Float]  // [class token + patches, width]
    let preNorm: LayerNorm?  // [width]
    let blocks: [VisionBlock]
    let postNorm: LayerNorm?  // [width]
}

extension TensorLoader {
    /// How many blocks of the vision tower the file stores, from block 0 on.
    var storedVisionBlocks: Int {
        var count = 0
        let parts = [VisionTensors.query, VisionTensors.queryKeyValue]
        while parts.contains(where: { contains("\(VisionTensors.block(count, $0)).weight") }) {
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
        skip { $0.hasPrefix("\(VisionTensors.postNorm).") || $0.hasPrefix(VisionTensors.blocks) }
        return VisionWeights(
            classEmbedding: try vector(ifPresent: VisionTensors.classEmbedding, count: width),
            patchEmbedding: try patchEmbedding(config, ops),
            positionEmbedding: try tensor(
                "\(VisionTensors.positionEmbedding).weight",
                shape: [width, config.rowCount]
            ).floats(),
            preNorm: config.hasPreNorm
                ? try layerNorm(VisionTensors.preNorm, width: width) : nil,
            blocks: blocks,
            postNorm: config.hasPostNorm
                ? try layerNorm(VisionTensors.postNorm, width: width) : nil)
    }

    /// The convolution's kernel `[width, 3, side, side]`, as a matrix on flattened patches.
    private func patchEmbedding(
        _ config: VisionConfig, _ ops: TensorOps
    ) throws(ModelError) -> LinearLayer {
        let name = VisionTensors.patchEmbedding
        let side = config.patchSide
        // The numbers, and the matrix that they are copied into.
        let byteCount = 2 * 3 * side * side * config.width * MemoryLayout<Float>.stride
        let claim = try granted("patch embedding") { () throws(MemoryShortage) in
            try ops.claimMemory(byteCount)
        }
        defer { withExtendedLifetime(claim) {} }
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
        func name(_ part: String) -> String { VisionTensors.block(index, part) }
        func square(_ part: String) throws(ModelError) -> LinearLayer {
            try linear(name(part), inputs: width, outputs: width)
        }
        let (expand, contract) = try feedForward(index, config)
        return VisionBlock(
            attentionNorm: try layerNorm(name(VisionTensors.attentionNorm), width: width),
            query: try square(VisionTensors.query),
            key: try square(VisionTensors.key),
            value: try square(VisionTensors.value),
            attentionOutput: try square(VisionTensors.attentionOutput),
            feedForwardNorm: try layerNorm(name(VisionTensors.feedForwardNorm), width: width),
            expand: expand, contract: contract)
    }

    /// The block's two linear layers in the order in which they run.
    ///
    /// llama.cpp's LLaVA converter swapped the names `ffn_down` and `ffn_up`, and later ones did
    /// not. The shapes show which layer takes the residual stream.
    private func feedForward(
        _ index: Int, _ config: VisionConfig
    ) throws(ModelError) -> (expand: LinearLayer, contract: LinearLayer) {
        let down = VisionTensors.block(index, VisionTensors.feedForwardDown)
        let up = VisionTensors.block(index, VisionTensors.feedForwardUp)
        let isSwapped = try inputs(of: down) == config.width
        let (first, second) = isSwapped ? (down, up) : (up, down)
        return (
            try linear(first, inputs: config.width, outputs: config.feedForwardWidth),
            try linear(second, inputs: config.feedForwardWidth, outputs: config.width)
        )
    }
}
