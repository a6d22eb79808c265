// SPDX-License-Identifier: Apache-2.0

/// The layout of a tile of quantised activations, in words of four bytes; r is the tile's row.
///
/// Header: 16 words, word r the row's scale. Then for each 64 inputs a part of 26 words per row:
///
///     [2][rows]   minus the sum of a block of 32 bytes, Int32
///     [4][rows]   minus 32 times the sum of a block of 16 bytes, Int32
///     [2][rows]   the scale of a block of 32: a float times the row's, or the exponent bits to take off
///     [2][rows]   its sum in units of the row's scale, Float
///     [16][rows]  quads of four signed bytes
///
/// Then for each 256 inputs, block sums in eighths of the row's scale, as pairs of Int16:
///
///     [4][rows]   of blocks of 32
///     [8][rows]   of blocks of 16
///
/// Inputs up to the next multiple of 256 are zero.
public enum ActivationTile {
    /// Words before the first part.
    public static let headerWords = 16
    /// Words of a part, for each row.
    public static let partWordsPerRow = 26
    /// Words of the block sums of 256 inputs, for each row.
    public static let sumWordsPerRow = 12

    /// Bytes of a tile of `rows` rows of `width` numbers.
    public static func byteCount(rows: Int, width: Int) -> Int {
        let superblocks = (width + 255) / 256
        return 4 * (headerWords + superblocks * rows * (4 * partWordsPerRow + sumWordsPerRow))
    }
}
