// SPDX-License-Identifier: Apache-2.0
import Imaging
import LLaVAModel
import TensorOps
import TokenPruning

/// A picture on its way through the vision tower and the projector, in slices of one tower block: what else is
/// to be done can go between them.
///
/// It belongs to one thread at a time.
final class PictureEncoding {
    private let model: LLaVAModel
    private let tiles: TileBatch
    private let key: PictureKey?
    private let layout: VisualTokenLayout
    private let recorder: StageRecorder?
    private let embeddings: Activations  // [tiles · patches, width]
    private let features: Activations?  // [tiles · patches, featureWidth]
    private var classAttention: [Float]?  // [patches of the tiles that are done]
    private var tile: TileInTower?
    private var tilesDone = 0

    /// Seconds that the vision tower took.
    private(set) var visionSeconds = 0.0
    /// Seconds that the projector took.
    private(set) var projectionSeconds = 0.0

    /// A picture before its first slice.
    ///
    /// - Parameter needs: what selectors will look at besides the projector's rows.
    init(
        _ tiles: TileBatch, needs: Set<SelectionNeed>, key: PictureKey? = nil, _ model: LLaVAModel,
        recorder: StageRecorder? = nil
    ) {
        self.model = model
        self.tiles = tiles
        self.key = key
        self.recorder = recorder
        layout = model.layout(tiles.geometry)
        embeddings = model.ops.activations(
            rows: tiles.count * model.vision.config.patchCount, width: model.decoder.config.width)
        features =
            needs.contains(.features)
            ? model.ops.activations(
                rows: embeddings.rows, width: model.vision.config.featureWidth) : nil
        classAttention = needs.contains(.classAttention) ? [] : nil
        recorder?.recordTiles(tiles)
    }

    /// Whether the picture is encoded.
    var isDone: Bool { tilesDone == tiles.count }

    /// The part that is done, 0 to 1.
    var fraction: Double {
        let ofTile = tile.map { Double($0.blocksDone) / Double(model.vision.blockCount + 1) } ?? 0
        return (Double(tilesDone) + ofTile) / Double(tiles.count)
    }

    /// Does the next slice: a tile's next block of the vision tower, or its projection.
    ///
    /// - Throws: `GenerationError.model`.
    func runSlice() throws(GenerationError) {
        let tile = self.tile ?? model.vision.start(tiles[tilesDone])
        self.tile = tile
        if tile.blocksDone < model.vision.blockCount {
            try measure(&visionSeconds) { () throws(GenerationError) in
                try modelled { () throws(ModelError) in
                    try model.vision.runNextBlock(
                        tile,
                        onClassAttention: classAttention == nil
                            ? nil : { self.classAttention? += $0 })
                }
            }
        }
        if tile.blocksDone == model.vision.blockCount { try project(tile) }
    }

    /// Does all that is left.
    ///
    /// - Throws: `GenerationError.model`.
    func finish(
        _ cancellation: Cancellation, onProgress: (Double) -> Void = { _ in }
    ) throws(GenerationError) {
        while !isDone {
            try modelled { () throws(ModelError) in try cancellation.check() }
            try runSlice()
            onProgress(fraction)
        }
    }

    private func project(_ tile: TileInTower) throws(GenerationError) {
        let firstRow = tilesDone * model.vision.config.patchCount
        recorder?.recordFeatures(tile.features, tiles: 1)
        features?.copy(tile.features, toRow: firstRow)
        let rows = try measure(&projectionSeconds) { () throws(GenerationError) in
            try modelled { () throws(ModelError) in try model.project(tile.features) }
        }
        embeddings.copy(rows, toRow: firstRow)
        tilesDone += 1
        self.tile = nil
        if isDone { recorder?.recordProjected(model.pack(embeddings, layout.rows)) }
    }

    /// The encoded picture, once it is done.
    var picture: EncodedPicture {
        precondition(isDone)
        return EncodedPicture(
            layout: layout, embeddings: embeddings, features: features,
            classAttention: classAttention, key: key)
    }
}

/// Calls `body` and wraps what the model throws.
func modelled<Value>(
    _ body: () throws(ModelError) -> Value
) throws(GenerationError) -> Value {
    do { return try body() } catch { throw .model(error) }
}
