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
    /// - Throws: `GenerationError.pruning` for something that the model does not compute, `GenerationError.model`
    ///   where there is no memory for the picture's rows.
    init(
        _ tiles: TileBatch, needs: Set<SelectionNeed>, key: PictureKey? = nil, _ model: LLaVAModel,
        recorder: StageRecorder? = nil
    ) throws(GenerationError) {
        // Without a block, the class token attends to nothing.
        if needs.contains(.classAttention), model.vision.blockCount == 0 {
            throw .pruning(.missingInput(selector: "that was asked for", need: .classAttention))
        }
        self.model = model
        self.tiles = tiles
        self.key = key
        self.recorder = recorder
        layout = model.layout(tiles.geometry)
        let rows = tiles.count * model.vision.config.patchCount
        (embeddings, features) = try granted { () throws(MemoryShortage) in
            (
                try model.ops.grantedActivations(rows: rows, width: model.decoder.config.width),
                needs.contains(.features)
                    ? try model.ops.grantedActivations(
                        rows: rows, width: model.vision.config.featureWidth) : nil
            )
        }
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
        let tile: TileInTower
        if let begun = self.tile {
            tile = begun
        } else {
            tile = try modelled { () throws(ModelError) in
                try model.vision.start(tiles[tilesDone])
            }
            self.tile = tile
        }
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
            classAttention: classAttention, key: key,
            seconds: visionSeconds + projectionSeconds)
    }
}

/// Calls `body` and wraps what the model throws.
func modelled<Value>(
    _ body: () throws(ModelError) -> Value
) throws(GenerationError) -> Value {
    do { return try body() } catch { throw .model(error) }
}

/// What `body` returns; a shortage of memory becomes an error of the picture.
func granted<Value>(
    _ body: () throws(MemoryShortage) -> Value
) throws(GenerationError) -> Value {
    do { return try body() } catch {
        throw .model(.noMemory(place: "a picture's visual tokens", byteCount: error.byteCount))
    }
}
