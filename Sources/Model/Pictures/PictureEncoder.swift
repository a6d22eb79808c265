// SPDX-License-Identifier: Apache-2.0
import Imaging
import TokenPruning
import Weights

/// Turns pictures into rows of the decoder's width: a vision tower, how pictures become its tiles, and its projector.
///
/// A picture is planned by its size, cut into tiles, and encoded in slices. There is one encoder for each kind of vision
/// tower; the families of models choose and configure it.
public protocol PictureEncoder: Sendable {
    /// What it can tell selectors besides the rows.
    var capabilities: Set<SelectionNeed> { get }
    /// Numbers per row.
    var outputWidth: Int { get }
    /// Bytes of a cell of an encoded picture, with all that selectors look at.
    var bytesPerCell: Int { get }
    /// What tiles depend on besides the picture: equal for encoders that cut equal tiles.
    var tilingDescription: String { get }
    /// What becomes of transparent pictures, as in the model's training.
    var transparency: Transparency { get }

    /// What a picture of this size becomes.
    ///
    /// - Precondition: both sides are positive.
    func plan(_ picture: PixelSize) -> PicturePlan
    /// Plans that no other exceeds, neither in candidates nor in other rows.
    var largestPlans: [PicturePlan] { get }
    /// What users may limit about pictures; nil where all take the same rows.
    var limit: PictureLimit? { get }
    /// The same encoder under a limit by which a picture of this size has about this many candidates: with the number
    /// of tiles that comes nearest, or with the most pixels that give no more.
    ///
    /// - Returns: nil for an encoder without a limit.
    func limited(to candidates: Int, for picture: PixelSize) -> LimitedEncoder?
    /// What each candidate sees of a picture of this size.
    func regions(of picture: PixelSize) -> PatchRegions
    /// The tiles of a picture.
    ///
    /// - Throws: `ImagingError.noMemory`.
    func tiles(of picture: Picture) throws(ImagingError) -> TileBatch

    /// A picture before its first slice.
    ///
    /// - Parameters:
    ///   - needs: what selectors will look at; `capabilities` has all but the question.
    ///   - key: what the picture shows; nil for one that is not known again.
    /// - Throws: `ModelError.noMemory`.
    func encoding(
        of tiles: TileBatch, needs: Set<SelectionNeed>, key: PictureKey?
    ) throws(ModelError) -> any PictureEncoding
    /// The same encoder on threads of its own.
    func onOtherThreads(count: Int) -> Self
}

/// A picture on its way through an encoder, in slices: what else is to be done can go between them.
///
/// It belongs to one thread at a time.
public protocol PictureEncoding: AnyObject {
    /// The part that is done, 0 to 1.
    var fraction: Double { get }
    /// The encoded picture; nil while slices are left.
    var picture: EncodedPicture? { get }
    /// Seconds that the vision tower took.
    var visionSeconds: Double { get }
    /// Seconds that the projector took.
    var projectionSeconds: Double { get }

    /// Does the next slice.
    ///
    /// - Throws: `ModelError.notFinite`, `ModelError.noMemory`.
    func runSlice() throws(ModelError)
}

extension PictureEncoding {
    /// Does all that is left.
    ///
    /// - Throws: `ModelError`, of which `cancelled` comes between two slices.
    public func finish(
        _ cancellation: Cancellation, onProgress: (Double) -> Void = { _ in }
    ) throws(ModelError) -> EncodedPicture {
        while true {
            if let picture { return picture }
            try cancellation.check()
            try runSlice()
            onProgress(fraction)
        }
    }
}

/// Tiles of one picture, ready for a vision tower.
public struct TileBatch: Sendable {
    /// What the picture becomes.
    public let plan: PicturePlan
    /// Pixels of a tile.
    public let size: PixelSize
    /// Normalised samples in the order of the plan's tiles: `[tiles, 3, height, width]`.
    public let pixels: Samples<Float>

    package init(plan: PicturePlan, size: PixelSize, pixels: Samples<Float>) {
        (self.plan, self.size, self.pixels) = (plan, size, pixels)
    }

    /// Tiles.
    public var count: Int { plan.tiles.count }

    /// The pixels of one tile: `[3, height, width]`.
    public subscript(tile: Int) -> some Collection<Float> {
        let count = 3 * size.width * size.height
        return pixels[(tile * count)..<((tile + 1) * count)]
    }
}

/// Runs `body` and adds the seconds it took to `total`.
func measure<Result, Failure>(
    _ total: inout Double, _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
    let start = ContinuousClock.now
    defer { total += (ContinuousClock.now - start) / .seconds(1) }
    return try body()
}
