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
    /// What is to be taken off each of the `weights`: zero or a power of two.
    static var zeroPoint: Int { get }

    /// Whether panels come from memory, not from a cache.
    static var isInMemory: Bool { get }

    static func scales(_ column: Column) -> Scales
    /// The scale of one block of the superblock.
    static func scale(_ scales: Scales, _ block: Int) -> FloatVector
    /// The minimum of one block, where `minima` is `.perBlock`.
    static func minimum(_ scales: Scales, _ block: Int) -> FloatVector
    /// Two minima as 16-bit halves, where `minima` is per superblock.
    static func minimumPair(_ scales: Scales, _ pair: Int) -> IntVector
    /// The factor of these minima.
    static func minimumScale(_ scales: Scales) -> FloatVector
    /// The unsigned weights of a pair, `zeroPoint` too large.
    ///
    /// - Parameters:
    ///   - block: counted within the part.
    ///   - index: the pair's place in the block; a literal, so that masks and shifts are known.
    static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector)
    /// What a block's `dot`s start from, given where its sum of products does.
    static func start(_ start: IntVector) -> IntVector
    static func dot(_ sum: IntVector, _ weights: IntVector, _ quad: IntVector) -> IntVector
    /// Whether the products of a pair are added before they are added to the sum.
    static var addsPairs: Bool { get }
    /// Both `dot`s of a pair.
    static func dot(
        _ sum: IntVector, _ weights: (even: IntVector, odd: IntVector), _ even: IntVector,
        _ odd: IntVector
    ) -> IntVector
    /// A block's sum of products, given that of its `dot`s and what `start` was given.
    static func finish(_ sum: IntVector, _ start: IntVector) -> IntVector
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
    @inline(__always) static var zeroPoint: Int { 0 }
    @inline(__always) static var isInMemory: Bool { true }
    @inline(__always) static func minimum(_ scales: Scales, _ block: Int) -> FloatVector {
        FloatVector(repeating: 0)
    }
    @inline(__always) static func minimumPair(_ scales: Scales, _ pair: Int) -> IntVector {
        IntVector(repeating: 0)
    }
    @inline(__always) static func minimumScale(_ scales: Scales) -> FloatVector {
        FloatVector(repeating: 0)
    }
    @inline(__always) static func start(_ start: IntVector) -> IntVector { start }
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
    @inline(__always) static func finish(_ sum: IntVector, _ start: IntVector) -> IntVector { sum }
}

/// Formats whose weights are at most 15, in blocks of at most 32.
protocol NibblePanel: PanelFormat {}

extension NibblePanel {
    @inline(__always) static func weights(
        _ column: Column, part: Int, block: Int, index: Int
    ) -> (even: IntVector, odd: IntVector) {
        let (low, high) = column.nibbles(at: layout.pair(4 &* block &+ index, part: part))
        return (integers(low), integers(high))
    }
    @inline(__always) static func start(_ start: IntVector) -> IntVector {
        nibble_sum_start(start)
    }
    @inline(__always) static func dot(
        _ sum: IntVector, _ weights: IntVector, _ quad: IntVector
    ) -> IntVector {
        dot_nibbles(sum, weights, quad)
    }
    @inline(__always) static func finish(_ sum: IntVector, _ start: IntVector) -> IntVector {
        nibble_sum(sum, start)
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

/// The integers times two to that power, which may be negative.
@inline(__always) func moved(_ integers: IntVector, doublings: Int) -> IntVector {
    doublings < 0
        ? integers &>> IntVector(repeating: Int32(truncatingIfNeeded: 0 &- doublings))
        : integers &<< IntVector(repeating: Int32(truncatingIfNeeded: doublings))
}

@inline(__always) func integers(_ words: WordVector) -> IntVector {
    unsafeBitCast(words, to: IntVector.self)
}

/// How a block's products are scaled.
protocol BlockScaling: SendableMetatype {
    static var scaling: ActivationScaling { get }
    /// Where a block's sum of products starts, given the block's activation scale.
    static func zero(_ scale: UnsafeRawPointer) -> IntVector
    /// Adds a block's products, in units of the row's scale.
    ///
    /// - Parameters:
    ///   - products: their sum, which started from `zero`.
    ///   - weightScale: the scale of the block's weights.
    ///   - scale: the block's activation scale.
    static func add(
        _ products: IntVector, _ weightScale: FloatVector, _ scale: UnsafeRawPointer,
        to sum: FloatVector
    ) -> FloatVector
}

/// `ActivationScaling.powerOfTwo`.
enum PowerOfTwoScaling: BlockScaling {
    @inline(__always) static var scaling: ActivationScaling { .powerOfTwo }
    @inline(__always) static func zero(_ scale: UnsafeRawPointer) -> IntVector {
        scale.broadcastInt(0)
    }
    @inline(__always) static func add(
        _ products: IntVector, _ weightScale: FloatVector, _ scale: UnsafeRawPointer,
        to sum: FloatVector
    ) -> FloatVector {
        // The difference is exact: both are multiples of one unit, and near each other.
        let values = unsafeBitCast(products, to: FloatVector.self) - scale.broadcastFloat(0)
        return multiply_add(sum, values, weightScale)
    }
}

/// `ActivationScaling.perBlock`.
enum FloatScaling: BlockScaling {
    @inline(__always) static var scaling: ActivationScaling { .perBlock }
    @inline(__always) static func zero(_ scale: UnsafeRawPointer) -> IntVector {
        IntVector(repeating: 0)
    }
    @inline(__always) static func add(
        _ products: IntVector, _ weightScale: FloatVector, _ scale: UnsafeRawPointer,
        to sum: FloatVector
    ) -> FloatVector {
        multiply_add(sum, float_from_int(products), weightScale * scale.broadcastFloat(0))
    }
}
