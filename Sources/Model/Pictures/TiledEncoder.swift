// SPDX-License-Identifier: Apache-2.0
import Imaging
import TensorOps
import TokenPruning
import Weights

/// CLIP's vision tower up to the layer that LLaVA reads, and LLaVA's projector.
package struct CLIPEncoder: PictureEncoder {
    /// How pictures become tiles.
    package let tiles: CLIPTiles
    let tower: CLIPTower
    let projector: CLIPProjector
    let ops: TensorOps
    /// The row of newlines; nil for tiles without any.
    private let newline: [Float]?  // [outputWidth]

    /// Takes tower and projector from a file.
    ///
    /// - Throws: `ModelError`.
    package init(
        _ config: CLIPConfig, _ tiles: CLIPTiles, _ loader: TensorLoader,
        _ precision: VisionPrecision, _ ops: TensorOps
    ) throws(ModelError) {
        self.tiles = tiles
        self.ops = ops
        tower = try CLIPTower(config, loader, precision, ops)
        projector = try CLIPProjector(config, loader, precision, ops)
        newline =
            if case .anyres = tiles.layout {
                try loader.newline(width: projector.outputWidth)
            } else {
                nil
            }
    }

    private init(_ encoder: CLIPEncoder, _ tiles: CLIPTiles, computingBy ops: TensorOps) {
        (self.tiles, self.ops, newline) = (tiles, ops, encoder.newline)
        tower = CLIPTower(encoder.tower, computingBy: ops)
        projector = CLIPProjector(encoder.projector, computingBy: ops)
    }

    /// The same tower and projector for pictures that are cut otherwise.
    package func cutting(_ tiles: CLIPTiles) -> CLIPEncoder {
        CLIPEncoder(self, tiles, computingBy: ops)
    }

    package func onOtherThreads(count: Int) -> CLIPEncoder {
        CLIPEncoder(self, tiles, computingBy: ops.onOtherThreads(count: count))
    }

    /// Without a block, the class token attends to nothing.
    package var capabilities: Set<SelectionNeed> {
        tower.blockCount > 0 ? [.features, .classAttention] : [.features]
    }
    package var outputWidth: Int { projector.outputWidth }
    package var bytesPerCell: Int {
        (outputWidth + tower.config.featureWidth + 1) * MemoryLayout<Float>.size
    }
    package var tilingDescription: String {
        "\(tiles.layout) \(tiles.tileSide) \(tiles.patchSide)"
    }

    package func plan(_ picture: PixelSize) -> PicturePlan { tiles.plan(picture) }
    package var largestPlans: [PicturePlan] { tiles.largestPlans }
    package func regions(of picture: PixelSize) -> PatchRegions { tiles.regions(of: picture) }
    package func tiles(of picture: Picture) throws(ImagingError) -> TileBatch {
        try tiles.tiles(of: picture)
    }

    package func encoding(
        of tiles: TileBatch, needs: Set<SelectionNeed>, key: PictureKey?
    ) throws(ModelError) -> any PictureEncoding {
        try CLIPEncoding(tiles, needs, key, newline, self)
    }
}

/// A picture on its way through tower and projector, in slices of one block for one tile.
private final class CLIPEncoding: PictureEncoding {
    private let encoder: CLIPEncoder
    private let tiles: TileBatch
    private let key: PictureKey?
    private let newline: [Float]?  // [width]
    private let embeddings: Activations  // [tiles · patches, width]
    private let features: Activations?  // [tiles · patches, featureWidth]
    private var classAttention: [Float]?  // [patches of the tiles that are done]
    private var tile: TileInTower?
    private var tilesDone = 0

    private(set) var visionSeconds = 0.0
    private(set) var projectionSeconds = 0.0

    init(
        _ tiles: TileBatch, _ needs: Set<SelectionNeed>, _ key: PictureKey?, _ newline: [Float]?,
        _ encoder: CLIPEncoder
    ) throws(ModelError) {
        precondition(needs.subtracting([.text]).isSubset(of: encoder.capabilities))
        (self.encoder, self.tiles, self.key, self.newline) = (encoder, tiles, key, newline)
        let (ops, config) = (encoder.ops, encoder.tower.config)
        let rows = tiles.plan.cellCount
        (embeddings, features) = try granted("a picture's visual tokens") {
            () throws(MemoryShortage) in
            (
                try ops.grantedActivations(rows: rows, width: encoder.outputWidth),
                needs.contains(.features)
                    ? try ops.grantedActivations(rows: rows, width: config.featureWidth) : nil
            )
        }
        classAttention = needs.contains(.classAttention) ? [] : nil
    }

    var fraction: Double {
        let ofTile = tile.map { Double($0.blocksDone) / Double(encoder.tower.blockCount + 1) } ?? 0
        return (Double(tilesDone) + ofTile) / Double(tiles.count)
    }

    var picture: EncodedPicture? {
        guard tilesDone == tiles.count else { return nil }
        return EncodedPicture(
            plan: tiles.plan, embeddings: embeddings, features: features,
            classAttention: classAttention, newline: newline, key: key,
            seconds: visionSeconds + projectionSeconds)
    }

    /// A tile's next block of the tower, and its projection after the last.
    func runSlice() throws(ModelError) {
        let tower = encoder.tower
        let tile: TileInTower
        if let begun = self.tile {
            tile = begun
        } else {
            tile = try tower.start(tiles[tilesDone])
            self.tile = tile
        }
        if tile.blocksDone < tower.blockCount {
            try measure(&visionSeconds) { () throws(ModelError) in
                try tower.runNextBlock(
                    tile,
                    onClassAttention: classAttention == nil
                        ? nil : { self.classAttention? += $0 })
            }
        }
        if tile.blocksDone == tower.blockCount { try project(tile) }
    }

    private func project(_ tile: TileInTower) throws(ModelError) {
        let firstRow = tilesDone * tile.features.rows
        features?.copy(tile.features, toRow: firstRow)
        let rows = try measure(&projectionSeconds) { () throws(ModelError) in
            try encoder.projector.project(tile.features)
        }
        embeddings.copy(rows, toRow: firstRow)
        tilesDone += 1
        self.tile = nil
    }
}

/// Runs `body` and adds the seconds it took to `total`.
private func measure<Result>(
    _ total: inout Double, _ body: () throws(ModelError) -> Result
) throws(ModelError) -> Result {
    let start = ContinuousClock.now
    defer { total += (ContinuousClock.now - start) / .seconds(1) }
    return try body()
}

extension TensorLoader {
    /// The newline row of an anyres model, under any of the names that published files use.
    fileprivate func newline(width: Int) throws(ModelError) -> [Float] {
        for name in CLIPTensors.newline where contains(name) {
            return try vector(name, count: width)
        }
        throw .missingTensor(file: file.path, name: CLIPTensors.newline[0])
    }
}
