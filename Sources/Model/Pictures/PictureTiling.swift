// SPDX-License-Identifier: Apache-2.0
import Imaging
import TensorOps
import TokenPruning
import Weights

/// How pictures of a family become square tiles, and the rows that stand for them.
package protocol PictureTiling: Sendable {
    /// Equal for rules that cut equal tiles.
    var description: String { get }
    /// Plans that no other exceeds, neither in candidates nor in other rows.
    var largestPlans: [PicturePlan] { get }
    /// What users may limit about its pictures; nil where all take the same rows.
    var limit: PictureLimit? { get }
    /// The same rule under a limit by which a picture of this size has about this many candidates: with the number of
    /// tiles that comes nearest, or with the most pixels that give no more.
    ///
    /// - Returns: nil for a rule without a limit.
    func limited(to candidates: Int, for picture: PixelSize) -> LimitedTiling?
    /// What a picture of this size becomes.
    ///
    /// - Precondition: both sides are positive.
    func plan(_ picture: PixelSize) -> PicturePlan
    /// What each candidate sees of a picture of this size.
    func regions(of picture: PixelSize) -> PatchRegions
    /// The tiles of a picture.
    ///
    /// - Throws: `ImagingError.noMemory`.
    func tiles(of picture: Picture) throws(ImagingError) -> TileBatch
}

/// An encoder whose pictures are cut by one of its family's rules.
package protocol TilingEncoder: PictureEncoder {
    /// How pictures become tiles.
    var tiling: any PictureTiling { get set }
    /// The part of a picture's patches that the vision tower sees, above 0 and up to 1.
    var towerShare: Double { get set }
    /// Numbers per cell in the features.
    var featureWidth: Int { get }
    var ops: TensorOps { get }
}

extension TilingEncoder {
    /// The same encoder for pictures that are cut otherwise.
    package func cutting(_ tiling: any PictureTiling) -> Self {
        var encoder = self
        encoder.tiling = tiling
        return encoder
    }

    /// The same encoder with a vision tower that sees a share of each picture's patches.
    package func seeing(_ share: Double) -> Self {
        var encoder = self
        encoder.towerShare = share
        return encoder
    }

    package var bytesPerCell: Int {
        // A number for the attention, and two for what is received in two blocks.
        (outputWidth + featureWidth + 3) * MemoryLayout<Float>.size
    }

    /// Room for what becomes of a picture's cells: `[count, outputWidth]`, and `[count, featureWidth]` where features are
    /// needed.
    ///
    /// - Throws: `ModelError.noMemory`.
    func grantedCells(
        _ count: Int, _ needs: Set<SelectionNeed>
    ) throws(ModelError) -> (embeddings: Activations, features: Activations?) {
        precondition(needs.subtracting([.text, .places]).isSubset(of: capabilities))
        return try granted("a picture's visual tokens") { () throws(MemoryShortage) in
            (
                try ops.grantedActivations(rows: count, width: outputWidth),
                needs.contains(.features)
                    ? try ops.grantedActivations(rows: count, width: featureWidth) : nil
            )
        }
    }

    package var tilingDescription: String { tiling.description }
    package var largestPlans: [PicturePlan] { tiling.largestPlans }
    package var limit: PictureLimit? { tiling.limit }
    package func limited(to candidates: Int, for picture: PixelSize) -> LimitedEncoder? {
        tiling.limited(to: candidates, for: picture).map {
            LimitedEncoder(encoder: cutting($0.tiling), limits: $0.limits)
        }
    }
    package func plan(_ picture: PixelSize) -> PicturePlan { tiling.plan(picture) }
    package func regions(of picture: PixelSize) -> PatchRegions { tiling.regions(of: picture) }
    package func tiles(of picture: Picture) throws(ImagingError) -> TileBatch {
        try tiling.tiles(of: picture)
    }
}

/// A user's choice of how pictures are cut, where a family has one.
package struct TilingOptions: Sendable, Equatable {
    /// Take the middle square, as Hugging Face's processor does by default for LLaVA-1.5.
    package var crop = false
    /// The most tiles of a picture; nil for as many as the model was trained on.
    ///
    /// Where a family's smallest grid has more, the whole picture is the only tile.
    package var mostTiles: Int?
    /// The most pixels of a picture that is not cut into tiles of one size; nil for the model's limit.
    package var mostPixels: Int?
    /// Whether the picture comes with others in one question, which LLaVA-OneVision sees in less detail.
    package var isAmongSeveral = false

    package init(
        crop: Bool = false, _ limits: VisionLimits = VisionLimits(), isAmongSeveral: Bool = false
    ) {
        (mostTiles, mostPixels) = (limits.mostTiles, limits.mostPixels)
        (self.crop, self.isAmongSeveral) = (crop, isAmongSeveral)
    }
}

/// A user's limits on how much of a picture a model sees: less is faster, and shows less detail.
public struct VisionLimits: Sendable, Equatable {
    /// The most tiles that a picture is cut into, where a model cuts pictures into tiles of one size.
    ///
    /// Nil for as many as the model was trained on. Where a model's smallest grid has more, the whole picture is the
    /// only tile.
    public var mostTiles: Int?
    /// The most pixels of a picture, where a model sees pictures of any size; nil for the model's own limit.
    public var mostPixels: Int?
    /// The share of a picture's patches that the vision tower sees, one of `towerShares`; the others get what it says of
    /// a neighbour that looks alike.
    public var towerShare: Double

    /// The shares that a vision tower may see.
    ///
    /// What smaller ones cost has not been measured.
    public static let towerShares = 0.5...1

    /// The model's own limits, unless given.
    public init(mostTiles: Int? = nil, mostPixels: Int? = nil, towerShare: Double = 1) {
        (self.mostTiles, self.mostPixels) = (mostTiles, mostPixels)
        self.towerShare = towerShare
    }
}
