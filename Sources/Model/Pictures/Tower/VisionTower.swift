// SPDX-License-Identifier: Apache-2.0
import TensorOps
import Weights

/// A tile on its way through a vision tower.
///
/// It belongs to one thread at a time.
final class TileInTower {
    /// Blocks that it has passed.
    fileprivate(set) var blocksDone = 0
    /// The tower's output, complete after its last block.
    let features: Activations  // [patches, featureWidth]

    fileprivate let hidden: Activations  // [class token + seen patches, width]
    /// The seen patch that stands for each patch; nil where the tower sees all.
    fileprivate let representatives: RepresentativePatches?
    /// The memory that the first block takes; later blocks use it again.
    fileprivate var claim: MemoryClaim?

    fileprivate init(
        hidden: Activations, _ representatives: RepresentativePatches?, features: Activations,
        _ claim: MemoryClaim
    ) {
        (self.hidden, self.representatives) = (hidden, representatives)
        (self.features, self.claim) = (features, claim)
    }

    /// What there is for each patch, of what there is for those that the tower sees.
    fileprivate func ofAll(_ seen: [Float]) -> [Float] {
        representatives.map { $0.places.map { seen[$0] } } ?? seen
    }
}

/// A vision transformer up to the layer that the projector reads: CLIP's (arXiv 2103.00020) or SigLIP's (2303.15343).
final class VisionTower: Sendable {
    /// Its shape.
    let config: VisionConfig

    private let weights: VisionWeights
    private let ops: TensorOps
    /// Whether attention multiplies bf16 numbers.
    private let roundsAttention: Bool

    init(
        _ config: VisionConfig, _ loader: TensorLoader, _ precision: VisionPrecision,
        _ ops: TensorOps
    ) throws(ModelError) {
        self.config = config
        weights = try loader.visionWeights(config, precision, ops)
        self.ops = ops
        roundsAttention = precision != .float && ops.prefersBrainFloatAttention(config.attention)
    }

    /// The same tower, computing on other threads.
    init(_ tower: VisionTower, computingBy ops: TensorOps) {
        (config, weights, self.ops) = (tower.config, tower.weights, ops)
        roundsAttention = tower.roundsAttention
    }

    /// Blocks that a tile goes through.
    var blockCount: Int { weights.blocks.count }
    /// The block in which attention is on objects: the 9th of CLIP's 24 in HiPrune (arXiv 2508.00553), and the same part of
    /// other towers.
    var middleBlock: Int { max(0, (3 * blockCount + 4) / 8 - 1) }
    /// The row of the first patch.
    private var firstPatch: Int { config.hasClassToken ? 1 : 0 }

    /// A tile before the first block.
    ///
    /// - Parameters:
    ///   - pixels: a normalised tile `[3, side, side]`, contiguous in memory.
    ///   - share: the part of the patches that the blocks see. The others get the features of a neighbour.
    /// - Throws: `ModelError.noMemory`.
    func start(
        _ pixels: some Collection<Float>, seeing share: Double
    ) throws(ModelError) -> TileInTower {
        let (features, claim) = try granted("vision features") { () throws(MemoryShortage) in
            // A quarter more for rows that are rounded to bytes, and for what allocator and threads take.
            let claim = try ops.claimMemory(config.activationBytes / 4 * 5 + 4 << 20)
            let features = try ops.grantedActivations(
                rows: config.patchCount, width: config.featureWidth)
            return (features, claim)
        }
        let patches = ops.linear(weights.patchEmbedding, flattenedPatches(pixels))
        let representatives =
            share < 1
            ? RepresentativePatches(
                of: patches, columns: config.tileSide / config.patchSide, share: share, ops) : nil
        var hidden = positioned(patches, representatives)
        if let norm = weights.preNorm { hidden = normed(hidden, norm) }
        let tile = TileInTower(hidden: hidden, representatives, features: features, claim)
        collect(hidden, ofLayer: 0, into: tile)
        return tile
    }

    /// Takes a tile through its next block.
    ///
    /// - Parameters:
    ///   - onAttention: called after the last block with how much attention each patch gets there, summed over
    ///     the heads: from the class token or, in towers without one, from the mean patch. `[patches]`.
    ///   - onReceived: called in the middle block and in the last with how much attention each patch gets from all rows.
    /// - Throws: `ModelError.notFinite`.
    func runNextBlock(
        _ tile: TileInTower, onAttention: (([Float]) -> Void)? = nil,
        onReceived: (([Float]) -> Void)? = nil
    ) throws(ModelError) {
        let index = tile.blocksDone
        let isLast = index == blockCount - 1
        run(weights.blocks[index], on: tile.hidden) { queries, keys in
            if isLast, let onAttention {
                onAttention(tile.ofAll(attentionToPatches(queries, keys)))
            }
            if isLast || index == middleBlock, let onReceived {
                onReceived(tile.ofAll(attentionFromAll(queries, keys)))
            }
        }
        guard tile.hidden.isFinite else { throw .notFinite(place: "vision block \(index)") }
        var output = tile.hidden
        if let norm = weights.postNorm, isLast { output = normed(output, norm) }
        collect(output, ofLayer: index + 1, into: tile)
        tile.blocksDone += 1
        tile.claim = nil
    }

    /// The class token, if there is one, then the patches that the blocks see, each plus its position.
    private func positioned(
        _ patches: Activations, _ representatives: RepresentativePatches?
    ) -> Activations {
        let seen = representatives?.seen ?? Array(0..<patches.rows)
        let hidden = ops.activations(rows: firstPatch + seen.count, width: config.width)
        if let token = weights.classEmbedding {
            hidden.row(0).update(from: token, count: config.width)
            ops.kernels.add(hidden.row(0), weights.positionEmbedding, config.width)
        }
        for (place, patch) in seen.enumerated() {
            let row = hidden.row(firstPatch + place)
            row.update(from: patches.row(patch), count: config.width)
            weights.positionEmbedding.withUnsafeBufferPointer { positions in
                guard let base = positions.baseAddress else { return }
                ops.kernels.add(row, base + (firstPatch + patch) * config.width, config.width)
            }
        }
        return hidden
    }

    /// One row per patch: its pixels in the order of the convolution's kernel.
    private func flattenedPatches(_ pixels: some Collection<Float>) -> Activations {
        let (side, tile) = (config.patchSide, config.tileSide)
        precondition(pixels.count == 3 * tile * tile)
        let perSide = tile / side
        let rows = ops.activations(rows: perSide * perSide, width: 3 * side * side)
        let hasCopied: Void? = pixels.withContiguousStorageIfAvailable { source in
            guard let base = source.baseAddress else { return }
            for patch in 0..<rows.rows {
                let (top, left) = (patch / perSide * side, patch % perSide * side)
                for line in 0..<(3 * side) {
                    let (channel, y) = (line / side, top + line % side)
                    (rows.row(patch) + line * side).update(
                        from: base + (channel * tile + y) * tile + left, count: side)
                }
            }
        }
        precondition(hasCopied != nil, "pixels lie side by side")
        return rows
    }

    private func run(
        _ block: VisionBlock, on hidden: Activations,
        onHeads: (_ queries: Activations, _ keys: Activations) -> Void
    ) {
        let attended = attention(block, normed(hidden, block.attentionNorm), onHeads)
        ops.addLinear(block.attentionOutput, attended, to: hidden)
        let inner = ops.linear(
            block.expand, normed(hidden, block.feedForwardNorm), then: config.activation)
        ops.addLinear(block.contract, inner, to: hidden)
    }

    private func normed(_ hidden: Activations, _ norm: LayerNorm) -> Activations {
        ops.layerNorm(hidden, norm, epsilon: config.epsilon)
    }

    private func attention(
        _ block: VisionBlock, _ input: Activations, _ onHeads: (Activations, Activations) -> Void
    ) -> Activations {
        let projected = ops.linear([block.query, block.key, block.value], input)
        let (query, key, value) = (projected[0], projected[1], projected[2])
        onHeads(query, key)
        return roundsAttention
            ? ops.brainFloatAttention(query, keys: key, values: value, config.attention)
            : ops.attention(query, keys: key, values: value, config.attention)
    }

    private func attentionToPatches(_ queries: Activations, _ keys: Activations) -> [Float] {
        guard config.hasClassToken else { return attentionFromAll(queries, keys) }
        let weights = ops.attentionWeights(ofRow: 0, queries, keys: keys, config.attention)
        return Array(weights.dropFirst())
    }

    private func attentionFromAll(_ queries: Activations, _ keys: Activations) -> [Float] {
        let received = ops.receivedAttention(queries, keys: keys, config.attention)
        return Array(received.dropFirst(firstPatch))
    }

    /// Copies the patches' hidden states to the feature columns of `layer`.
    private func collect(_ hidden: Activations, ofLayer layer: Int, into tile: TileInTower) {
        for (column, wanted) in config.featureLayers.enumerated() where wanted == layer {
            for patch in 0..<tile.features.rows {
                let place = tile.representatives?.places[patch] ?? patch
                (tile.features.row(patch) + column * config.width)
                    .update(from: hidden.row(firstPatch + place), count: config.width)
            }
        }
    }
}
