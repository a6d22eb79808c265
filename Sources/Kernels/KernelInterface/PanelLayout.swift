// SPDX-License-Identifier: Apache-2.0

/// Where a superblock of one kind of panels keeps its numbers, in bytes from its start.
///
/// A panel has 32 columns (outputs). It is a run of superblocks along the inputs, and a superblock is a
/// run of lines: first the header with scales and minima, then the weights. A line of 128 bytes has a word
/// of four bytes for each column: the weights of four inputs (a quad), of two quads in its low and high
/// nibbles, or fields of bits. Half a line has 16 bits for each column, a quarter 8.
///
/// Weights come in runs of 16 or 32 inputs: first the lines of bits that all lines of the run share, then
/// the others. Kernels read a superblock from front to back, so that the processor fetches ahead. All
/// instruction sets read the same panels.
///
/// Everything here folds to constants where the kind is known. Arithmetic wraps, so that kernels get no traps.
public struct PanelLayout: Sendable {
    /// Inputs of a superblock.
    public let superblockLength: Int
    /// Bytes of a superblock; a multiple of a cache line.
    public let superblockBytes: Int
    /// Inputs that share a scale.
    public let blockLength: Int
    /// Half-precision factors of the integer scales and minima of 256 inputs, half a line each, or the 16-bit
    /// scales of blocks, half a line after half a line.
    public let factors: Int
    /// Factors of a column: one over its integer scales, or one for each of two blocks.
    public let factorCount: Int
    /// The factors of the minima, or the minima of blocks of 32, as `factors`.
    public let minimumFactors: Int
    /// Integer scales.
    public let scales: Int
    /// Integer minima.
    public let minima: Int
    /// The upper bits of integer scales and minima that lie apart from their lower bits.
    public let upperScaleBits: Int
    /// A bit for each eight weights: whether an eighth is subtracted from them or added.
    public let eighths: Int
    /// The first run of weights: where the header ends.
    public let weights: Int
    /// Inputs of a run of weights.
    public let runLength: Int
    /// Bytes of a run of weights.
    public let runBytes: Int
    /// Lines at the start of a run that its other lines share.
    public let sharedLines: Int
    /// The other lines of a run.
    public let lines: Int

    /// The layout of quantised weights; offsets that a kind has no use for are 0.
    ///
    /// - Parameters:
    ///   - blockLength: inputs that share a scale.
    ///   - sharedLines: lines at the start of a run of weights that its other lines share.
    ///   - lines: the other lines of a run.
    @inlinable
    @inline(__always)
    public init(
        superblockLength: Int, blockLength: Int = 32, factors: Int = 0, factorCount: Int = 1,
        minimumFactors: Int = 0, scales: Int = 0, minima: Int = 0, upperScaleBits: Int = 0,
        eighths: Int = 0, weights: Int, runLength: Int, sharedLines: Int = 0, lines: Int
    ) {
        self.superblockLength = superblockLength
        self.blockLength = blockLength
        self.factors = factors
        self.factorCount = factorCount
        self.minimumFactors = minimumFactors
        self.scales = scales
        self.minima = minima
        self.upperScaleBits = upperScaleBits
        self.eighths = eighths
        self.weights = weights
        self.runLength = runLength
        self.sharedLines = sharedLines
        self.lines = lines
        runBytes = Self.line &* (sharedLines &+ lines)
        superblockBytes = weights &+ superblockLength / runLength &* runBytes
    }

    /// The layout of floats, which have no header.
    @inlinable
    @inline(__always)
    init(floats superblockLength: Int, bytes: Int) {
        self.superblockLength = superblockLength
        (factors, factorCount, minimumFactors) = (0, 0, 0)
        (scales, minima, upperScaleBits, eighths) = (0, 0, 0, 0)
        (weights, sharedLines, lines) = (0, 0, 1)
        (blockLength, runLength) = (superblockLength, superblockLength)
        (superblockBytes, runBytes) = (bytes, bytes)
    }

    /// Bytes of a line: a word for each column.
    @inlinable
    @inline(__always)
    public static var line: Int { 128 }
    /// Bytes of half a line: 16 bits for each column.
    @inlinable
    @inline(__always)
    public static var halfLine: Int { 64 }
    /// Bytes of a quarter of a line: a byte for each column.
    @inlinable
    @inline(__always)
    public static var quarterLine: Int { 32 }

    /// Runs of weights in a superblock.
    @inlinable
    @inline(__always)
    public var runs: Int { superblockLength / runLength }

    /// Whole lines of the header.
    @inlinable
    @inline(__always)
    public var headerLines: Int { weights / Self.line }

    /// Whether minima are subtracted from scaled weights.
    @inlinable
    @inline(__always)
    public var hasMinima: Bool { minimumFactors != 0 }

    /// Inputs of a superblock over those that share a scale.
    @inlinable
    @inline(__always)
    public var blocks: Int { superblockLength / blockLength }

    /// Bytes of the weights of 64 inputs, a part of a superblock.
    @inlinable
    @inline(__always)
    public var partBytes: Int { 64 / runLength &* runBytes }

    /// Where a run of a part starts.
    @inlinable
    @inline(__always)
    public func run(_ index: Int, part: Int) -> Int {
        weights &+ partBytes &* part &+ runBytes &* index
    }

    /// Where the lines of a pair of quads start in a part of a layout without shared lines.
    @inlinable
    @inline(__always)
    public func pair(_ index: Int, part: Int) -> Int {
        weights &+ partBytes &* part &+ 8 &* runBytes / runLength &* index
    }

    /// Where the line of bits that a run's other lines share is.
    @inlinable
    @inline(__always)
    public func sharedLine(run: Int) -> Int { weights &+ run &* runBytes }

    /// Where a line of a run is, not counting shared lines.
    @inlinable
    @inline(__always)
    public func line(_ index: Int, run: Int) -> Int {
        weights &+ run &* runBytes &+ Self.line &* (sharedLines &+ index)
    }

    /// Where a line of the superblock is, not counting shared lines.
    @inlinable
    @inline(__always)
    public func line(_ index: Int) -> Int { line(index % lines, run: index / lines) }

    /// Where block `index` of 32 inputs has its scale.
    @inlinable
    @inline(__always)
    public func factor(_ index: Int) -> Int { factors &+ Self.halfLine &* index }

    /// Where block `index` of 32 inputs has its minimum.
    @inlinable
    @inline(__always)
    public func minimumFactor(_ index: Int) -> Int { minimumFactors &+ Self.halfLine &* index }

    /// Where group `index` has its scale, if that is a byte.
    @inlinable
    @inline(__always)
    public func byteScale(_ index: Int) -> Int { scales &+ Self.quarterLine &* index }
}

extension PanelLayout {
    /// ½ + ½ scales of two blocks; 8 nibbles.
    ///
    /// MXFP4's scales are bf16.
    @inlinable
    @inline(__always)
    public static var nibbles: PanelLayout {
        PanelLayout(
            superblockLength: 64, factorCount: 2, weights: 128, runLength: 32, lines: 4)
    }

    /// ½ + ½ scales; ½ + ½ minima; 8 nibbles.
    @inlinable
    @inline(__always)
    public static var q4_1: PanelLayout {
        PanelLayout(
            superblockLength: 64, factorCount: 2, minimumFactors: 128, weights: 256, runLength: 32,
            lines: 4)
    }

    /// ½ + ½ scales; 2 times 1 fifth bits and 4 nibbles.
    @inlinable
    @inline(__always)
    public static var q5_0: PanelLayout {
        PanelLayout(
            superblockLength: 64, factorCount: 2, weights: 128, runLength: 32, sharedLines: 1,
            lines: 4)
    }

    /// ½ + ½ scales; ½ + ½ minima; 2 times 1 fifth bits and 4 nibbles.
    @inlinable
    @inline(__always)
    public static var q5_1: PanelLayout {
        PanelLayout(
            superblockLength: 64, factorCount: 2, minimumFactors: 128, weights: 256, runLength: 32,
            sharedLines: 1, lines: 4)
    }

    /// ½ + ½ scales; 16 bytes, plus 128.
    @inlinable
    @inline(__always)
    public static var q8_0: PanelLayout {
        PanelLayout(
            superblockLength: 64, factorCount: 2, weights: 128, runLength: 32, lines: 8)
    }

    /// ½ factor; ½ minimum factor; 1 low bits of scales, 1 of minima, 1 upper bits of both; 32 nibbles.
    @inlinable
    @inline(__always)
    public static var q4_K: PanelLayout {
        PanelLayout(
            superblockLength: 256, minimumFactors: 64, scales: 128, minima: 256,
            upperScaleBits: 384, weights: 512, runLength: 32, lines: 4)
    }

    /// The header of q4_K; 8 times 1 fifth bits and 4 nibbles.
    @inlinable
    @inline(__always)
    public static var q5_K: PanelLayout {
        PanelLayout(
            superblockLength: 256, minimumFactors: 64, scales: 128, minima: 256,
            upperScaleBits: 384, weights: 512, runLength: 32, sharedLines: 1, lines: 4)
    }

    /// ½ factor; ½ empty; 16 times ¼ scales; 16 times 1 upper bits and 2 nibbles.
    @inlinable
    @inline(__always)
    public static var q6_K: PanelLayout {
        PanelLayout(
            superblockLength: 256, blockLength: 16, scales: 128, weights: 640, runLength: 16,
            sharedLines: 1, lines: 2)
    }

    /// ½ factor; ½ minimum factor; 2 scales; 2 minima; 16 bit pairs.
    @inlinable
    @inline(__always)
    public static var q2_K: PanelLayout {
        PanelLayout(
            superblockLength: 256, blockLength: 16, minimumFactors: 64, scales: 128, minima: 384,
            weights: 640, runLength: 16, lines: 1)
    }

    /// ½ factor; 16 times ¼ scales; 8 times 1 shared by two blocks of 16 and 2 of their own.
    @inlinable
    @inline(__always)
    public static var q3_K: PanelLayout {
        PanelLayout(
            superblockLength: 256, blockLength: 16, scales: 64, weights: 576, runLength: 32,
            sharedLines: 1, lines: 2)
    }

    /// ½ factor; ½ upper bits and 1 low bits of scales; 32 nibbles.
    @inlinable
    @inline(__always)
    public static var iq4_xs: PanelLayout {
        PanelLayout(
            superblockLength: 256, scales: 128, upperScaleBits: 64, weights: 256, runLength: 32,
            lines: 4)
    }

    /// ½ scale; 4 lines of eight bits.
    @inlinable
    @inline(__always)
    public static var q1_0: PanelLayout {
        PanelLayout(superblockLength: 128, weights: 64, runLength: 32, lines: 1)
    }

    /// ½ scale; 4 bit pairs.
    @inlinable
    @inline(__always)
    public static var q2_0: PanelLayout {
        PanelLayout(superblockLength: 64, weights: 64, runLength: 16, lines: 1)
    }

    /// ½ scale; 16 bit pairs.
    @inlinable
    @inline(__always)
    public static var tq: PanelLayout {
        PanelLayout(superblockLength: 256, weights: 64, runLength: 16, lines: 1)
    }

    /// ½ factor; 2 scales; 1 eighths; 16 bit pairs.
    @inlinable
    @inline(__always)
    public static var iq1: PanelLayout {
        PanelLayout(
            superblockLength: 256, blockLength: 16, scales: 64, eighths: 320, weights: 448,
            runLength: 16, lines: 1)
    }

    /// ½ factor; 2 scales; 8 times 1 shared by two blocks of 16 and 2 of their own.
    @inlinable
    @inline(__always)
    public static var iq2: PanelLayout {
        PanelLayout(
            superblockLength: 256, blockLength: 16, scales: 64, weights: 320, runLength: 32,
            sharedLines: 1, lines: 2)
    }

    /// ½ factor; 1 scales; 32 nibbles.
    @inlinable
    @inline(__always)
    public static var iq3: PanelLayout {
        PanelLayout(
            superblockLength: 256, scales: 64, weights: 192, runLength: 32, lines: 4)
    }

    /// 4 times ¼ scales; 8 nibbles.
    @inlinable
    @inline(__always)
    public static var nvfp4: PanelLayout {
        PanelLayout(
            superblockLength: 64, blockLength: 16, factorCount: 0, weights: 128, runLength: 16,
            lines: 2)
    }

    /// 1 for each input.
    static var f32: PanelLayout { PanelLayout(floats: 1, bytes: line) }

    /// ½ for each input.
    static var f16: PanelLayout { PanelLayout(floats: 1, bytes: halfLine) }

    /// 1 for two inputs, the first in the low halves of words.
    static var bf16: PanelLayout { PanelLayout(floats: 2, bytes: line) }
}
