// SPDX-License-Identifier: Apache-2.0
import Imaging

/// How the frames of a video become tiles, all of them together one picture.
///
/// What encodes a family's pictures encodes these tiles, too.
public protocol VideoTiling: Sendable {
    /// What a video of so many frames becomes, whatever their sizes are.
    ///
    /// - Precondition: there is a frame.
    func plan(frames: Int) -> PicturePlan
    /// The tiles of a video, one for each frame.
    ///
    /// - Throws: `ImagingError.noMemory`.
    func tiles(of frames: [Picture]) throws(ImagingError) -> TileBatch
}
