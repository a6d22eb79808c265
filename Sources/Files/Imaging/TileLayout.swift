// SPDX-License-Identifier: Apache-2.0

/// How a picture of any size becomes the square tiles that a vision tower reads.
public enum TileLayout: Sendable, Equatable {
    /// One tile: the picture in the middle of a square of the mean colour (LLaVA-1.5 as trained).
    case padToSquare
    /// One tile: the middle square of the picture (Hugging Face's default for LLaVA-1.5).
    case centerCrop
    /// A base tile of the whole picture, and a grid of tiles at the best of some resolutions (LLaVA-NeXT).
    ///
    /// Of equally good resolutions the first wins.
    case anyres(pinpoints: [PixelSize])
}
