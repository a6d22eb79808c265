// SPDX-License-Identifier: Apache-2.0
import Imaging
import TensorOps
import TokenPruning
import Weights

/// The vision tower and mergers of a Qwen-VL.
package struct QwenVLEncoder: TilingEncoder {
    package var tiling: any PictureTiling
    private(set) var tower: QwenVLTower
    package private(set) var ops: TensorOps
    /// The part of a picture's cells that the tower sees.
    package var towerShare = 1.0

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

    package func onOtherThreads(count: Int) -> QwenVLEncoder {
        var encoder = self
        encoder.ops = ops.onOtherThreads(count: count)
        encoder.tower = QwenVLTower(tower, computingBy: encoder.ops)
        return encoder
    }

    package var transparency: Transparency { .dropped }
    package var capabilities: Set<SelectionNeed> {
        [.features, .attention, .receivedAttention]
    }
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
    private let encoder: QwenVLEncoder
    private let tiles: TileBatch
    private let needs: Set<SelectionNeed>
    private let key: PictureKey?
    private let embeddings: Activations  // [cells, outputWidth]
    private let features: Activations?  // [cells, mergedWidth]
    private var attention: [Float]?  // [cells]
    private var received: ReceivedAttention?  // [cells] each
    private var inTower: PatchesInTower?
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
        (self.encoder, self.tiles, self.needs, self.key) = (encoder, tiles, needs, key)
        let (ops, config) = (encoder.ops, encoder.tower.config)
        let grid = tiles.plan.tiles[0]
        claim = try granted("vision features") { () throws(MemoryShortage) in
            try ops.claimMemory(config.activationBytes(cells: grid.cellCount))
        }
        (embeddings, features) = try encoder.grantedCells(grid.cellCount, needs)
        received = needs.contains(.receivedAttention) ? ReceivedAttention() : nil
    }

    private var tower: QwenVLTower { encoder.tower }
    var fraction: Double { Double(blocksDone) / Double(tower.blockCount) }

    /// The next block and, after a tap, its merger; after the last block, what becomes of the picture.
    func runSlice() throws(ModelError) {
        let inTower = try measure(&visionSeconds) { () throws(ModelError) in
            if let begun = self.inTower { begun } else { try begin() }
        }
        self.inTower = inTower
        let isLast = blocksDone == tower.blockCount - 1
        let readsAttention =
            isLast && needs.contains(.attention)
            || received != nil && (isLast || blocksDone == tower.middleBlock)
        try measure(&visionSeconds) { () throws(ModelError) in
            try tower.run(
                block: blocksDone, on: inTower.hidden, inTower.patches, inTower.angles,
                onAttention: readsAttention ? { self.keep(inTower.means($0)) } : nil)
        }
        if let tap = tower.config.taps.firstIndex(of: blocksDone) {
            try measure(&projectionSeconds) { () throws(ModelError) in
                inTower.store(
                    try tower.projectTap(tap, inTower.hidden), in: embeddings, part: 1 + tap)
            }
        }
        blocksDone += 1
        claim = nil
        guard isLast else { return }
        let merged = measure(&visionSeconds) { tower.merged(inTower.hidden) }
        if let features { inTower.store(merged, in: features, part: 0) }
        try measure(&projectionSeconds) { () throws(ModelError) in
            inTower.store(try tower.project(merged), in: embeddings, part: 0)
        }
        self.inTower = nil
        picture = EncodedPicture(
            plan: tiles.plan, embeddings: embeddings, features: features, attention: attention,
            receivedAttention: received, newline: nil, key: key,
            seconds: visionSeconds + projectionSeconds)
    }

    /// Keeps the attention that cells get in the block that the picture goes through.
    private func keep(_ cells: [Float]) {
        if blocksDone == tower.middleBlock { received?.middle = cells }
        guard blocksDone == tower.blockCount - 1 else { return }
        received?.last = cells
        if needs.contains(.attention) { attention = cells }
    }

    /// The patches that the tower sees, before its first block.
    private func begin() throws(ModelError) -> PatchesInTower {
        let grid = tiles.plan.tiles[0]
        let all = QwenVLPatches(columns: grid.columns, rows: grid.rows, tower.config)
        let embedded = tower.embed(tiles[0], all)
        guard encoder.towerShare < 1 else {
            tower.addPositions(of: all, to: embedded)
            return PatchesInTower(hidden: embedded, all, tower.angles(all), nil)
        }
        let representatives = all.representatives(
            embedded, share: encoder.towerShare, encoder.ops)
        let (patches, rows) = all.keeping(cells: Set(representatives.seen))
        let hidden = try granted("vision features") { () throws(MemoryShortage) in
            try encoder.ops.gather(rows, of: embedded)
        }
        tower.addPositions(of: patches, to: hidden)
        return PatchesInTower(hidden: hidden, patches, tower.angles(patches), representatives)
    }
}

/// The patches that a tower sees, and the cells of the picture that they stand for.
private struct PatchesInTower {
    let hidden: Activations  // [patches, width]
    let patches: QwenVLPatches
    let angles: RotaryEmbedding.Angles
    /// For each cell of the picture the place, in the tower's order, of the one that stands for it.
    private let placeOfCell: [Int]

    /// - Parameter representatives: nil where the tower sees all cells.
    init(
        hidden: Activations, _ patches: QwenVLPatches, _ angles: RotaryEmbedding.Angles,
        _ representatives: RepresentativePatches?
    ) {
        (self.hidden, self.patches, self.angles) = (hidden, patches, angles)
        var placeOfCell = [Int](repeating: 0, count: patches.columns * patches.rows)
        for (place, cell) in patches.cells.enumerated() { placeOfCell[cell] = place }
        if let representatives {
            placeOfCell = representatives.places.map { placeOfCell[representatives.seen[$0]] }
        }
        self.placeOfCell = placeOfCell
    }

    /// Puts cells, which come in the tower's order, where they are in the picture.
    ///
    /// - Parameter part: which of the parts of a row, each as wide as the cells.
    func store(_ cells: Activations, in target: Activations, part: Int) {
        for (cell, place) in placeOfCell.enumerated() {
            (target.row(cell) + part * cells.width)
                .update(from: cells.row(place), count: cells.width)
        }
    }

    /// The mean over the patches of each cell, in the picture's order.
    func means(_ attention: [Float]) -> [Float] {
        let count = patches.places.count / patches.cells.count
        return placeOfCell.map { place in
            attention[place * count..<(place + 1) * count].reduce(0, +) / Float(count)
        }
    }
}
