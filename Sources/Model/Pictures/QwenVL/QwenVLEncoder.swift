// SPDX-License-Identifier: Apache-2.0
import Imaging
import TensorOps
import TokenPruning
import Weights

/// The vision tower and mergers of a Qwen-VL.
package struct QwenVLEncoder: TilingEncoder {
    package let tiling: any PictureTiling
    let tower: QwenVLTower
    package let ops: TensorOps

    /// Takes the tower from a file.
    ///
    /// - Throws: `ModelError`.
    package init(
        _ config: QwenVLConfig, _ tiling: any PictureTiling, _ loader: TensorLoader,
        _ precision: VisionPrecision, _ ops: TensorOps
    ) throws(ModelError) {
        tower = try QwenVLTower(config, loader, precision, ops)
        (self.tiling, self.ops) = (tiling, ops)
    }

    private init(_ tower: QwenVLTower, _ tiling: any PictureTiling, _ ops: TensorOps) {
        (self.tower, self.tiling, self.ops) = (tower, tiling, ops)
    }

    package func cutting(_ tiling: any PictureTiling) -> QwenVLEncoder {
        QwenVLEncoder(tower, tiling, ops)
    }

    package func onOtherThreads(count: Int) -> QwenVLEncoder {
        let ops = ops.onOtherThreads(count: count)
        return QwenVLEncoder(QwenVLTower(tower, computingBy: ops), tiling, ops)
    }

    package var transparency: Transparency { .dropped }
    package var capabilities: Set<SelectionNeed> { [.features, .attention] }
    /// The decoder's width for the row itself, and for each layer after which it adds more.
    package var outputWidth: Int { tower.outputWidth * (1 + tower.config.taps.count) }
    package var featureWidth: Int { tower.config.mergedWidth }

    package func encoding(
        of tiles: TileBatch, needs: Set<SelectionNeed>, key: PictureKey?
    ) throws(ModelError) -> any PictureEncoding {
        try QwenVLEncoding(tiles, needs, key, self)
    }
}

/// A picture on its way through a Qwen-VL's tower, in slices of one block.
private final class QwenVLEncoding: PictureEncoding {
    private let tower: QwenVLTower
    private let tiles: TileBatch
    private let needs: Set<SelectionNeed>
    private let key: PictureKey?
    private let patches: QwenVLPatches
    private let angles: RotaryEmbedding.Angles
    private let embeddings: Activations  // [cells, outputWidth]
    private let features: Activations?  // [cells, mergedWidth]
    private var attention: [Float]?  // [cells]
    private var hidden: Activations?  // [patches, width]
    private var blocksDone = 0
    /// The memory that the first block takes; later blocks use it again.
    private var claim: MemoryClaim?

    private(set) var picture: EncodedPicture?
    private(set) var visionSeconds = 0.0
    private(set) var projectionSeconds = 0.0

    init(
        _ tiles: TileBatch, _ needs: Set<SelectionNeed>, _ key: PictureKey?,
        _ encoder: QwenVLEncoder
    ) throws(ModelError) {
        (tower, self.tiles, self.needs, self.key) = (encoder.tower, tiles, needs, key)
        let (ops, config) = (encoder.ops, encoder.tower.config)
        let grid = tiles.plan.tiles[0]
        claim = try granted("vision features") { () throws(MemoryShortage) in
            try ops.claimMemory(config.activationBytes(cells: grid.cellCount))
        }
        (embeddings, features) = try encoder.grantedCells(grid.cellCount, needs)
        patches = QwenVLPatches(columns: grid.columns, rows: grid.rows, config)
        angles = tower.angles(patches)
    }

    var fraction: Double { Double(blocksDone) / Double(tower.blockCount) }

    /// The next block and, after a tap, its merger; after the last block, what becomes of the picture.
    func runSlice() throws(ModelError) {
        let hidden = measure(&visionSeconds) { self.hidden ?? tower.embed(tiles[0], patches) }
        self.hidden = hidden
        let isLast = blocksDone == tower.blockCount - 1
        let onAttention: (([Float]) -> Void)? =
            isLast && needs.contains(.attention)
            ? { self.attention = self.ofCells($0) } : nil
        try measure(&visionSeconds) { () throws(ModelError) in
            try tower.run(
                block: blocksDone, on: hidden, patches, angles, onAttention: onAttention)
        }
        if let tap = tower.config.taps.firstIndex(of: blocksDone) {
            try measure(&projectionSeconds) { () throws(ModelError) in
                store(try tower.projectTap(tap, hidden), in: embeddings, part: 1 + tap)
            }
        }
        blocksDone += 1
        claim = nil
        guard isLast else { return }
        let merged = measure(&visionSeconds) { tower.merged(hidden) }
        if let features { store(merged, in: features, part: 0) }
        try measure(&projectionSeconds) { () throws(ModelError) in
            store(try tower.project(merged), in: embeddings, part: 0)
        }
        self.hidden = nil
        picture = EncodedPicture(
            plan: tiles.plan, embeddings: embeddings, features: features, attention: attention,
            newline: nil, key: key, seconds: visionSeconds + projectionSeconds)
    }

    /// Puts cells, which come in the tower's order, where they are in the picture.
    ///
    /// - Parameter part: which of the parts of a row, each as wide as the cells.
    private func store(_ cells: Activations, in target: Activations, part: Int) {
        for (index, cell) in patches.cells.enumerated() {
            (target.row(cell) + part * cells.width)
                .update(from: cells.row(index), count: cells.width)
        }
    }

    /// The mean over the patches of each cell, in the picture's order.
    private func ofCells(_ attention: [Float]) -> [Float] {
        let count = tower.config.patchesPerCell
        var means = [Float](repeating: 0, count: patches.cells.count)
        for (index, cell) in patches.cells.enumerated() {
            means[cell] =
                attention[index * count..<(index + 1) * count].reduce(0, +) / Float(count)
        }
        return means
    }
}
