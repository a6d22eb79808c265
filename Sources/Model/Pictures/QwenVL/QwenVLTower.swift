// SPDX-License-Identifier: Apache-2.0
import TensorOps
import Weights

/// The vision tower of a Qwen-VL, which takes pictures of any size and knows the row and column of each patch by the
/// rotation of its heads.
final class QwenVLTower: Sendable {
    let config: QwenVLConfig
    /// Numbers per cell of each merger's output.
    let outputWidth: Int

    private let weights: QwenVLWeights
    private let ops: TensorOps
    private let rotary: RotaryEmbedding
    /// Whether attention multiplies bf16 numbers.
    private let roundsAttention: Bool

    init(
        _ config: QwenVLConfig, _ loader: TensorLoader, _ precision: VisionPrecision,
        _ ops: TensorOps
    ) throws(ModelError) {
        self.config = config
        self.ops = ops
        weights = try QwenVLLoader(
            config: config, loader: loader, precision: precision, ops: ops
        ).weights()
        outputWidth = weights.merger.contract.outputs
        for merger in weights.tapMergers where merger.contract.outputs != outputWidth {
            throw .wrongShape(
                file: loader.file.path, tensor: merger.contract.weight.name,
                found: [config.mergedWidth, merger.contract.outputs],
                expected: [config.mergedWidth, outputWidth])
        }
        rotary = RotaryEmbedding(gridOfHeadWidth: config.attention.headWidth, base: 10_000)
        roundsAttention = precision != .float && ops.prefersBrainFloatAttention(config.attention)
    }

    /// The same tower, computing on other threads.
    init(_ tower: QwenVLTower, computingBy ops: TensorOps) {
        (config, outputWidth, weights) = (tower.config, tower.outputWidth, tower.weights)
        (rotary, roundsAttention, self.ops) = (tower.rotary, tower.roundsAttention, ops)
    }

    var blockCount: Int { weights.blocks.count }
    /// The block in which attention is on objects: the 16th of Qwen2.5-VL's 32 in HiPrune (arXiv 2508.00553), and the same
    /// part of other towers.
    var middleBlock: Int { max(0, blockCount / 2 - 1) }

    /// How far each patch's heads are turned.
    func angles(_ patches: QwenVLPatches) -> RotaryEmbedding.Angles {
        rotary.angles(
            at: patches.places.map {
                Position(time: 0, row: Int32($0.row), column: Int32($0.column))
            })
    }

    /// The patches without their positions: `[patches, width]`.
    ///
    /// - Parameter pixels: `[3, height, width]`, contiguous in memory.
    func embed(_ pixels: some Collection<Float>, _ patches: QwenVLPatches) -> Activations {
        ops.linear(weights.patchEmbedding, flattened(pixels, patches))
    }

    /// Adds the learnt positions of patches, where a tower has them.
    func addPositions(of patches: QwenVLPatches, to hidden: Activations) {
        if let table = weights.positionEmbedding, let side = config.positionsPerSide {
            addPositions(table, perSide: side, of: patches, to: hidden)
        }
    }

    /// One row per patch: its pixels in the order of the convolution's kernel.
    private func flattened(
        _ pixels: some Collection<Float>, _ patches: QwenVLPatches
    ) -> Activations {
        let side = config.patchSide
        let (width, height) = (patches.columns * config.cellSide, patches.rows * config.cellSide)
        precondition(pixels.count == 3 * width * height)
        let rows = ops.activations(rows: patches.places.count, width: 3 * side * side)
        let hasCopied: Void? = pixels.withContiguousStorageIfAvailable { source in
            guard let base = source.baseAddress else { return }
            for (index, place) in patches.places.enumerated() {
                for line in 0..<(3 * side) {
                    let (channel, y) = (line / side, place.row * side + line % side)
                    (rows.row(index) + line * side).update(
                        from: base + (channel * height + y) * width + place.column * side,
                        count: side)
                }
            }
        }
        precondition(hasCopied != nil, "pixels lie side by side")
        return rows
    }

    /// Adds the positions of patches, interpolated between those of a table whose corners are the picture's.
    private func addPositions(
        _ table: [Float], perSide side: Int, of patches: QwenVLPatches, to hidden: Activations
    ) {
        func places(_ count: Int) -> [(first: Int, second: Int, share: Float)] {
            (0..<count).map { index in
                let place = count > 1 ? Float(side - 1) / Float(count - 1) * Float(index) : 0
                let first = min(Int(place), side - 1)
                return (first, min(first + 1, side - 1), place - Float(first))
            }
        }
        let rows = places(patches.rows * config.mergedSide)
        let columns = places(patches.columns * config.mergedSide)
        table.withUnsafeBufferPointer { table in
            ops.forEachRow(of: hidden) { values, index in
                let (row, column) = (
                    rows[patches.places[index].row], columns[patches.places[index].column]
                )
                let corners = [
                    (row.first, column.first, (1 - row.share) * (1 - column.share)),
                    (row.first, column.second, (1 - row.share) * column.share),
                    (row.second, column.first, row.share * (1 - column.share)),
                    (row.second, column.second, row.share * column.share),
                ]
                for number in 0..<config.width {
                    values[number] += corners.reduce(0) { sum, corner in
                        let place = corner.0 * side + corner.1
                        return sum + corner.2 * table[place * config.width + number]
                    }
                }
            }
        }
    }

    /// Takes a picture through one block.
    ///
    /// - Parameter onAttention: called with how much attention each patch gets, summed over the heads.
    /// - Throws: `ModelError.notFinite`.
    func run(
        block index: Int, on hidden: Activations, _ patches: QwenVLPatches,
        _ angles: RotaryEmbedding.Angles, onAttention: (([Float]) -> Void)?
    ) throws(ModelError) {
        let block = weights.blocks[index]
        let heads = ops.linear(
            [block.query, block.key, block.value], normed(hidden, block.attentionNorm))
        for rotated in heads.prefix(2) {
            ops.rotate(
                rotated, headWidth: config.attention.headWidth, rotary.pairing, angles)
        }
        if let onAttention {
            onAttention(ops.receivedAttention(heads[0], keys: heads[1], config.attention))
        }
        let attended =
            config.seesAll(index)
            ? attend(heads) : attend(heads, within: patches.windows)
        ops.addLinear(block.attentionOutput, attended, to: hidden)
        feedForward(block.feedForward, normed(hidden, block.feedForwardNorm), to: hidden)
        guard hidden.isFinite else { throw .notFinite(place: "vision block \(index)") }
    }

    private func normed(_ input: Activations, _ norm: VisionNorm) -> Activations {
        switch norm {
        case .layer(let norm): ops.layerNorm(input, norm, epsilon: config.epsilon)
        case .rootMeanSquare(let weight):
            ops.rmsNorm(input, weight: weight, epsilon: config.epsilon)
        }
    }

    private func feedForward(
        _ network: QwenVLFeedForward, _ input: Activations, to hidden: Activations
    ) {
        switch network {
        case .plain(let expand, let activation, let contract):
            ops.addLinear(contract, ops.linear(expand, input, then: activation), to: hidden)
        case .gated(let gate, let up, let contract):
            let inner = ops.linear([gate, up], input)
            ops.multiplySiLU(inner[0], by: inner[1])
            ops.addLinear(contract, inner[0], to: hidden)
        }
    }

    /// Attention of queries, keys and values, which all see each other.
    private func attend(_ heads: [Activations]) -> Activations {
        roundsAttention
            ? ops.brainFloatAttention(
                heads[0], keys: heads[1], values: heads[2], config.attention)
            : ops.attention(heads[0], keys: heads[1], values: heads[2], config.attention)
    }

    /// The same where the patches of each window see each other.
    private func attend(_ heads: [Activations], within windows: [Range<Int>]) -> Activations {
        let result = ops.activations(rows: heads[0].rows, width: config.width)
        for window in windows {
            let attended = attend(
                heads.map { all in
                    let part = ops.activations(rows: window.count, width: config.width)
                    part.values.update(
                        from: all.row(window.lowerBound), count: window.count * config.width)
                    return part
                })
            result.copy(attended, toRow: window.lowerBound)
        }
        return result
    }

    /// What the merger's first layer takes: `[cells, mergedWidth]`, in the tower's order.
    func merged(_ hidden: Activations) -> Activations { merged(hidden, weights.merger) }

    private func merged(_ hidden: Activations, _ merger: QwenVLMerger) -> Activations {
        let patches = merger.normsCells ? hidden : normed(hidden, merger.norm)
        // The patches of a cell follow each other.
        let cells = ops.activations(
            rows: hidden.rows / config.patchesPerCell, width: config.mergedWidth)
        cells.values.update(from: patches.values, count: hidden.rows * config.width)
        return merger.normsCells ? normed(cells, merger.norm) : cells
    }

    /// Rows of the decoder's width, of what `merged` gave.
    ///
    /// - Throws: `ModelError.notFinite`.
    func project(_ merged: Activations) throws(ModelError) -> Activations {
        try project(merged, weights.merger)
    }

    /// What the decoder adds after its layer `index`, of a tap's output.
    ///
    /// - Throws: `ModelError.notFinite`.
    func projectTap(_ index: Int, _ hidden: Activations) throws(ModelError) -> Activations {
        try project(merged(hidden, weights.tapMergers[index]), weights.tapMergers[index])
    }

    private func project(
        _ merged: Activations, _ merger: QwenVLMerger
    ) throws(ModelError) -> Activations {
        let rows = ops.linear(merger.contract, ops.linear(merger.expand, merged, then: .gelu))
        guard rows.isFinite else { throw .notFinite(place: "the merger") }
        return rows
    }
}
