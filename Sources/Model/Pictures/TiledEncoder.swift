// SPDX-License-Identifier: Apache-2.0
import Imaging
import TensorOps
import TokenPruning
import Weights

/// A vision tower that reads square tiles, one after the other, and a projector that reads its cells.
package struct TiledEncoder: TilingEncoder {
    /// How pictures become tiles.
    package var tiling: any PictureTiling
    package let transparency: Transparency
    private(set) var tower: VisionTower
    let merging: PatchMerging
    private(set) var projector: Projector
    package private(set) var ops: TensorOps
    /// The part of a tile's patches that the tower sees.
    package var towerShare = 1.0
    /// The row of newlines; nil for tiles without any.
    let newline: [Float]?  // [outputWidth]

    /// - Parameter merging: how patches become cells; nil where each patch is one.
    init(
        _ tower: VisionTower, _ tiling: any PictureTiling, merging: PatchMerging? = nil,
        _ projector: Projector, newline: [Float]? = nil, transparency: Transparency = .dropped,
        _ ops: TensorOps
    ) {
        (self.tower, self.tiling, self.projector) = (tower, tiling, projector)
        self.transparency = transparency
        (self.newline, self.ops) = (newline, ops)
        self.merging =
            merging
            ?? PatchMerging(
                side: 1, patchesPerSide: tower.config.tileSide / tower.config.patchSide)
    }

    package func onOtherThreads(count: Int) -> TiledEncoder {
        var encoder = self
        encoder.ops = ops.onOtherThreads(count: count)
        encoder.tower = VisionTower(tower, computingBy: encoder.ops)
        encoder.projector = Projector(projector, computingBy: encoder.ops)
        return encoder
    }

    /// Without a block, no patch gets attention.
    package var capabilities: Set<SelectionNeed> {
        tower.blockCount > 0 ? [.features, .attention, .receivedAttention] : [.features]
    }
    package var outputWidth: Int { projector.outputWidth }
    package var featureWidth: Int { merging.patchesPerCell * tower.config.featureWidth }

    package func encoding(
        of tiles: TileBatch, needs: Set<SelectionNeed>, key: PictureKey?
    ) throws(ModelError) -> any PictureEncoding {
        try TiledEncoding(tiles, needs, key, self)
    }
}

/// A picture on its way through tower and projector, in slices of one block for one tile.
private final class TiledEncoding: PictureEncoding {
    private let encoder: TiledEncoder
    private let tiles: TileBatch
    private let key: PictureKey?
    private let embeddings: Activations  // [cells, width]
    private let features: Activations?  // [cells, featureWidth]
    private var attention: [Float]?  // [cells of the tiles that are done]
    private var received: ReceivedAttention?  // the same cells
    private var tile: TileInTower?
    private var tilesDone = 0

    private(set) var visionSeconds = 0.0
    private(set) var projectionSeconds = 0.0

    init(
        _ tiles: TileBatch, _ needs: Set<SelectionNeed>, _ key: PictureKey?,
        _ encoder: TiledEncoder
    ) throws(ModelError) {
        (self.encoder, self.tiles, self.key) = (encoder, tiles, key)
        (embeddings, features) = try encoder.grantedCells(tiles.plan.encodedCellCount, needs)
        attention = needs.contains(.attention) ? [] : nil
        received = needs.contains(.receivedAttention) ? ReceivedAttention() : nil
    }

    var fraction: Double {
        let ofTile = tile.map { Double($0.blocksDone) / Double(encoder.tower.blockCount + 1) } ?? 0
        return (Double(tilesDone) + ofTile) / Double(tiles.count)
    }

    private(set) var picture: EncodedPicture?

    /// The picture of all tiles, with fewer cells where its plan asks for that.
    private func joined() -> EncodedPicture {
        let plan = tiles.plan
        func shrunk(_ attention: [Float]) -> [Float] {
            plan.shrunk(Activations(attention, width: 1)).array
        }
        return EncodedPicture(
            plan: plan, embeddings: plan.shrunk(embeddings), features: features.map(plan.shrunk),
            attention: attention.map(shrunk), receivedAttention: received?.map(shrunk),
            newline: encoder.newline, key: key, seconds: visionSeconds + projectionSeconds)
    }

    /// A tile's next block of the tower, and its projection after the last.
    func runSlice() throws(ModelError) {
        let tower = encoder.tower
        let tile: TileInTower
        if let begun = self.tile {
            tile = begun
        } else {
            tile = try measure(&visionSeconds) { () throws(ModelError) in
                try tower.start(tiles[tilesDone], seeing: encoder.towerShare)
            }
            self.tile = tile
        }
        if tile.blocksDone < tower.blockCount {
            try measure(&visionSeconds) { () throws(ModelError) in
                try tower.runNextBlock(
                    tile,
                    onAttention: attention == nil
                        ? nil : { self.attention? += self.encoder.merging.means($0) },
                    onReceived: received == nil
                        ? nil : { self.add(self.encoder.merging.means($0), of: tile) })
            }
        }
        if tile.blocksDone == tower.blockCount { try project(tile) }
    }

    /// Keeps what a tile's cells receive in the block that it goes through.
    private func add(_ cells: [Float], of tile: TileInTower) {
        if tile.blocksDone == encoder.tower.middleBlock { received?.middle += cells }
        if tile.blocksDone == encoder.tower.blockCount - 1 { received?.last += cells }
    }

    private func project(_ tile: TileInTower) throws(ModelError) {
        let cells = encoder.merging.merged(tile.features, encoder.ops)
        let firstRow = tilesDone * cells.rows
        features?.copy(cells, toRow: firstRow)
        let rows = try measure(&projectionSeconds) { () throws(ModelError) in
            try encoder.projector.project(cells)
        }
        embeddings.copy(rows, toRow: firstRow)
        tilesDone += 1
        self.tile = nil
        if tilesDone == tiles.count { picture = joined() }
    }
}
