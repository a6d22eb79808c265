// SPDX-License-Identifier: Apache-2.0

/// The layout of a tile of quantised activations, in words of four bytes.
///
/// A header holds the scale of each row. Then each 64 inputs have a part, and after all parts each 256
/// inputs have block sums. Every item is `[rows]`, a word for each row, and inputs up to the next multiple
/// of 256 are zero. Places within a part and within block sums are functions of the tile's rows here.
public enum ActivationTile {
    /// Words before the first part.
    @inlinable
    @inline(__always)
    public static var header: Int { 16 }

    /// Words of a part.
    @inlinable
    @inline(__always)
    public static func part(_ rows: Int) -> Int { 28 &* rows }

    /// In a part: the scale of a block of 32, as `ActivationScaling` says, Float.
    @inlinable
    @inline(__always)
    public static func scale(_ block: Int, _ rows: Int) -> Int { block &* rows }

    /// In a part: where the sum of products of a block of 32 starts if 8 is taken off each weight, Int32.
    ///
    /// It is minus 8 times the sum of the block's bytes, from the block's `ActivationScaling.zero` on.
    @inlinable
    @inline(__always)
    public static func startLess8(_ block: Int, _ rows: Int) -> Int { (2 &+ block) &* rows }

    /// In a part: the same if 128 is taken off each weight.
    @inlinable
    @inline(__always)
    public static func startLess128(_ block: Int, _ rows: Int) -> Int { (4 &+ block) &* rows }

    /// In a part: where the sum of products of a block of 16 starts if 32 is taken off each weight.
    @inlinable
    @inline(__always)
    public static func halfStartLess32(_ block: Int, _ rows: Int) -> Int { (6 &+ block) &* rows }

    /// In a part: the sum of a block of 32 in units of the row's scale, Float.
    @inlinable
    @inline(__always)
    public static func blockSum(_ block: Int, _ rows: Int) -> Int { (10 &+ block) &* rows }

    /// In a part: a quad of four signed bytes.
    @inlinable
    @inline(__always)
    public static func quad(_ quad: Int, _ rows: Int) -> Int { (12 &+ quad) &* rows }

    /// Words of the block sums of 256 inputs, which are pairs of Int16.
    @inlinable
    @inline(__always)
    public static func sums(_ rows: Int) -> Int { 12 &* rows }

    /// In block sums: the sums of two blocks of 32.
    @inlinable
    @inline(__always)
    public static func sumPair(_ pair: Int, _ rows: Int) -> Int { pair &* rows }

    /// In block sums: the sums of two blocks of 16.
    @inlinable
    @inline(__always)
    public static func halfSumPair(_ pair: Int, _ rows: Int) -> Int { (4 &+ pair) &* rows }

    /// Block sums are stored as integers of this many per unit of the row's scale.
    ///
    /// A block of 32 bytes sums to at most 32 · 127, so eighths fit.
    @inlinable
    @inline(__always)
    public static var sumsPerUnit: Float { 8 }

    /// Bytes of a tile of `rows` rows of `width` numbers.
    public static func byteCount(rows: Int, width: Int) -> Int {
        let superblocks = (width + 255) / 256
        return 4 * (header + superblocks * (4 * part(rows) + sums(rows)))
    }
}
