// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps
internal import KernelInterface

/// How one kind of weight panel is read.
///
/// A part is 64 inputs. A pair is two quads of 4 inputs whose weights are unpacked together.
protocol PanelFormat: SendableMetatype {
    /// What is read once per superblock.
    associatedtype Scales

    /// Where a superblock keeps its numbers.
    static var layout: PanelLayout { get }
    /// Whole lines of the header that every block reads a part of.
    static var headerLines: Int { get }
    /// How minima are added to values.
    static var minima: Minima { get }
    /// Whether a scale may be zero or tiny beside weights that are not.
    static var mayScaleByZero: Bool { get }

    /// How far ahead lines are prefetched, in bytes; 0 where the processor prefetches well by
    /// itself.
    static func prefetchDistance(rows: Int) -> Int

    static func scales(_ column: Column) -> Scales
    /// The scale of one block of the superblock.
    static func scale(_ scales: Scales, _ block: Int) -> FloatVector
    /// The minimum of one block, where `minima` is `.perBlock`.
    static func minimum(_ scales: Scales, _ block: Int) -> FloatVector
    /// Two minima as 16-bit halves, where `minima` is per superblock.
    static func minimumPair(_ scales: Scales, _ pair: Int) -> IntVector
    /// The factor of these minima.
    static func minimumScale(_ scales: Scales) -> FloatVector
    /// The unsigned weights of a pair.
    ///
    /// - Parameters:
    ///   - block: counted within the part.
    ///   - index: the pair's place in the block; a literal, so that masks and shifts are known.
    static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector)
    /// Where a block's sum of products starts, given minus 128 times the sum of its activations, or
    /// minus 32 times that where blocks have 16.
    static func start(_ negativeSum: IntVector) -> IntVector
    static func dot(_ sum: IntVector, _ weights: IntVector, _ quad: IntVector) -> IntVector
    /// Whether the products of a pair are added before they are added to the sum.
    static var addsPairs: Bool { get }
    /// Both `dot`s of a pair.
    static func dot(
        _ sum: IntVector, _ weights: (even: IntVector, odd: IntVector), _ even: IntVector,
        _ odd: IntVector
    ) -> IntVector
    /// A block's sum of products, given that of its `dot`s and what `start` was given.
    static func finish(_ sum: IntVector, _ negativeSum: IntVector) -> IntVector
}

/// What is added to `scale · q`.
enum Minima {
    /// Nothing: values are centred.
    case none
    /// A number per block.
    case perBlock
    /// `-minimumScale · m`, with integers m for each 32 inputs of a superblock of 256.
    case perSuperblockOf32
    /// The same for each 16 inputs.
    case perSuperblockOf16
}

extension PanelFormat {
    /// Bytes of a superblock.
    @inline(__always) static var superblockBytes: Int { layout.superblockBytes }
    /// Inputs that share a scale: 16 or 32.
    @inline(__always) static var blockLength: Int { layout.blockLength }
    /// Parts in a superblock: 1 or 4.
    @inline(__always) static var parts: Int { layout.superblockLength / 64 }
    /// Blocks in a part.
    @inline(__always) static var blocksPerPart: Int { 64 / blockLength }
    /// A block's signed byte of a scale, times the superblock's factor.
    @inline(__always) static func byteScale(_ column: Column, _ block: Int) -> FloatVector {
        float_from_int(column.signedBytes(at: layout.byteScale(block)))
            * floats_from_halves(column.halves(at: layout.factors))
    }

    @inline(__always) static var headerLines: Int { 0 }
    @inline(__always) static var minima: Minima { .none }
    @inline(__always) static var mayScaleByZero: Bool { false }
    // Vectors of less than half a line read a superblock's lines in several passes, which no
    // processor recognises as sequential. On two threads of Zen 3, a C loop with the loads and
    // products of one row reads 17 GB/s without prefetching, and 20 to 21 GB/s when it prefetches
    // 1152 to 3456 bytes ahead.
    //
    // Vectors of at least half a line read the lines in order. The processor then prefetches well
    // enough by itself for few rows, but not for many. On one thread of Zen 4 such a loop reads 30
    // GB/s with one row and 14 with six without prefetching, and 25 and 18 with it.
    @inline(__always) static func prefetchDistance(rows: Int) -> Int {
        lane_count < 16 || rows >= 4 ? 2048 : 0
    }
    @inline(__always) static func minimum(_ scales: Scales, _ block: Int) -> FloatVector {
        FloatVector(repeating: 0)
    }
    @inline(__always) static func minimumPair(_ scales: Scales, _ pair: Int) -> IntVector {
        IntVector(repeating: 0)
    }
    @inline(__always) static func minimumScale(_ scales: Scales) -> FloatVector {
        FloatVector(repeating: 0)
    }
    @inline(__always) static func start(_ negativeSum: IntVector) -> IntVector {
        IntVector(repeating: 0)
    }
    @inline(__always) static func dot(
        _ sum: IntVector, _ weights: IntVector, _ quad: IntVector
    ) -> IntVector {
        dot_bytes(sum, weights, quad)
    }
    @inline(__always) static var addsPairs: Bool { false }
    @inline(__always) static func dot(
        _ sum: IntVector, _ weights: (even: IntVector, odd: IntVector), _ even: IntVector,
        _ odd: IntVector
    ) -> IntVector {
        dot(dot(sum, weights.even, even), weights.odd, odd)
    }
    @inline(__always) static func finish(
        _ sum: IntVector, _ negativeSum: IntVector
    ) -> IntVector {
        sum
    }
}

/// Formats whose weights are at most 15, in blocks of at most 32.
protocol NibblePanel: PanelFormat {
    /// The value that a block's sum of products starts from.
    static func offset(_ negativeSum: IntVector) -> IntVector
}

extension NibblePanel {
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        let (low, high) = column.nibbles(at: layout.pair(4 &* block &+ index, part: part))
        return (integers(low), integers(high))
    }
    @inline(__always) static func offset(_ negativeSum: IntVector) -> IntVector {
        IntVector(repeating: 0)
    }
    @inline(__always) static func start(_ negativeSum: IntVector) -> IntVector {
        nibble_sum_start(offset(negativeSum))
    }
    @inline(__always) static func dot(
        _ sum: IntVector, _ weights: IntVector, _ quad: IntVector
    ) -> IntVector {
        dot_nibbles(sum, weights, quad)
    }
    @inline(__always) static func finish(
        _ sum: IntVector, _ negativeSum: IntVector
    ) -> IntVector {
        nibble_sum(sum, offset(negativeSum))
    }
}

/// Formats whose weights are at most 63.
protocol SixBitPanel: PanelFormat {}

extension SixBitPanel {
    /// Nibbles with their fifth bits: bit q of a byte of the shared line belongs to quad q of the block.
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        let start = layout.run(block, part: part)
        let bits = column.weightWords(at: start)
        let (low, high) = column.nibbles(at: start &+ PanelLayout.line &* (index &+ 1))
        let mask = WordVector(repeating: 0x1010_1010)
        let even = moved(bits, from: 2 &* index, to: 4) & mask
        let odd = moved(bits, from: 2 &* index &+ 1, to: 4) & mask
        return (integers(low | even), integers(high | odd))
    }
    @inline(__always) static var addsPairs: Bool { six_bits_add_pairs() }
    @inline(__always) static func dot(
        _ sum: IntVector, _ weights: (even: IntVector, odd: IntVector), _ even: IntVector,
        _ odd: IntVector
    ) -> IntVector {
        dot_six_bits(sum, weights.even, even, weights.odd, odd)
    }
}

/// One vector of neighbouring columns of a panel, at a superblock.
struct Column {
    let panel: UnsafeRawPointer
    /// The first of its columns, 0 to 31.
    let lane: Int
    /// Whether weights are loaded in the order in which they lie in memory.
    let isStreamed: Bool

    /// A word for each column from a line at `offset`.
    @inline(__always) func words(at offset: Int) -> WordVector {
        panel.loadUnaligned(fromByteOffset: offset &+ 4 &* lane, as: WordVector.self)
    }

    /// Sixteen bits for each column from half a line at `offset`.
    @inline(__always) func halves(at offset: Int) -> HalfVector {
        panel.loadUnaligned(fromByteOffset: offset &+ 2 &* lane, as: HalfVector.self)
    }

    /// A signed byte for each column from a quarter of a line at `offset`.
    @inline(__always) func signedBytes(at offset: Int) -> IntVector {
        ints_from_bytes(panel + (offset &+ lane))
    }

    /// A word for each column from a line of weights at `offset`.
    @inline(__always) func weightWords(at offset: Int) -> WordVector {
        isStreamed ? load_words_in_order(panel + (offset &+ 4 &* lane)) : words(at: offset)
    }

    /// Reads a line of scales that are used later, so that the processor sees memory in order.
    @inline(__always) func touch(_ line: Int) {
        if isStreamed { _ = weightWords(at: PanelLayout.line &* line) }
    }

    /// The low and the high nibbles of a line of weights.
    @inline(__always) func nibbles(at offset: Int) -> (low: WordVector, high: WordVector) {
        let line = weightWords(at: offset)
        return (line & WordVector(repeating: 0x0F0F_0F0F), high_nibbles(line))
    }
}

@inline(__always) func shifted(_ words: WordVector, _ bits: Int) -> WordVector {
    words &>> WordVector(repeating: UInt32(truncatingIfNeeded: bits))
}

/// The bits of every word shifted so that bit `source` comes to `target`.
@inline(__always) func moved(_ words: WordVector, from source: Int, to target: Int) -> WordVector {
    if source > target { return shifted(words, source &- target) }
    return source == target
        ? words : words &<< WordVector(repeating: UInt32(truncatingIfNeeded: target &- source))
}

@inline(__always) func integers(_ words: WordVector) -> IntVector {
    unsafeBitCast(words, to: IntVector.self)
}

/// How a block's scale is combined with that of a row's activations.
protocol BlockScaling: SendableMetatype {
    static var isPowerOfTwo: Bool { get }
    /// - Parameter word: the block's activation scale, as the quantiser stores it.
    static func combined(_ scale: FloatVector, _ word: UnsafeRawPointer) -> FloatVector
}

/// Activation scales are powers of two, stored as the amount to subtract from a float's exponent
/// bits.
enum PowerOfTwoScaling: BlockScaling {
    @inline(__always) static var isPowerOfTwo: Bool { true }
    @inline(__always) static func combined(
        _ scale: FloatVector, _ word: UnsafeRawPointer
    ) -> FloatVector {
        let exponent = IntVector(repeating: word.loadUnaligned(as: Int32.self))
        return unsafeBitCast(
            unsafeBitCast(scale, to: IntVector.self) &- exponent, to: FloatVector.self)
    }
}

/// Activation scales are arbitrary floats.
enum FloatScaling: BlockScaling {
    @inline(__always) static var isPowerOfTwo: Bool { false }
    @inline(__always) static func combined(
        _ scale: FloatVector, _ word: UnsafeRawPointer
    ) -> FloatVector {
        scale * FloatVector(repeating: word.loadUnaligned(as: Float.self))
    }
}
