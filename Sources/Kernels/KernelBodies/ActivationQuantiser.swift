// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps
internal import KernelInterface

/// Rounds rows of activations to a tile of bytes.
struct ActivationQuantiser<Scaling: BlockScaling> {
    /// A row whose numbers are all below 2⁻¹⁰⁰ counts as zero: 127 divided by its largest number
    /// would approach infinity.
    @inline(__always) private static var smallest: Int32 { 27 << 23 }
    /// The bits of infinity; those of NaNs are larger.
    @inline(__always) private static var infinity: Int32 { 0x7F80_0000 }
    /// A block's scale is at least 2⁻²³ of its row's.
    @inline(__always) private static var largestExponent: Int32 { 23 }

    /// 1.5 · 2²³: near it floats are the integers.
    @inline(__always) private static var zero: Float { 12_582_912 }

    let tile: UnsafeMutableRawPointer
    let rows: Int

    @inline(__always)
    func quantise(_ source: UnsafePointer<Float>, stride: Int, width: Int) {
        for row in 0..<rows { quantise(source + row &* stride, row: row, width: width) }
    }

    @inline(__always)
    private func quantise(_ source: UnsafePointer<Float>, row: Int, width: Int) {
        let superblocks = (width &+ 255) / 256
        let largest = storeMagnitudes(source, row, width, superblocks)
        let isFinite = largest < Self.infinity
        // The products of a non-finite row are NaN whatever its bytes are, so these are zero.
        let magnitude =
            isFinite && largest >= Self.smallest ? reach(largest, row, blocks: 8 &* superblocks) : 0
        let scale = Float(bitPattern: UInt32(bitPattern: magnitude)) / 127
        store(isFinite ? scale : .nan, at: row)
        let partBytes = 4 &* ActivationTile.part(rows)
        var part = tile + 4 &* ActivationTile.header
        var sums = part + 4 &* superblocks &* partBytes
        for superblock in 0..<superblocks {
            withSuperblock(source, superblock, width) { values in
                for index in 0..<4 {
                    quantise(values + 64 &* index, row, magnitude, part, sums, index)
                    part += partBytes
                }
            }
            sums += 4 &* ActivationTile.sums(rows)
        }
    }

    /// Stores each block's largest magnitude where its scale will be; returns the row's.
    @inline(__always)
    private func storeMagnitudes(
        _ source: UnsafePointer<Float>, _ row: Int, _ width: Int, _ superblocks: Int
    ) -> Int32 {
        var largest: Int32 = 0
        for superblock in 0..<superblocks {
            withSuperblock(source, superblock, width) { values in
                for index in 0..<8 {
                    let magnitude = Self.largestMagnitude(values + 32 &* index)
                    scale(8 &* superblock &+ index, row).storeBytes(of: magnitude, as: Int32.self)
                    largest = max(largest, magnitude)
                }
            }
        }
        return largest
    }

    /// The magnitude that becomes 127; a block's is that over a power of two.
    ///
    /// It is the row's largest, or that times 2^¼, 2^½ or 2^¾, whichever makes the sum of the squares of
    /// the blocks' scales least: these squares are proportional to the variances of rounding errors.
    @inline(__always)
    private func reach(_ largest: Int32, _ row: Int, blocks: Int) -> Int32 {
        // Twice a number of the largest exponent would be infinite.
        guard Scaling.scaling == .powerOfTwo, largest < Self.infinity &- (1 &<< 23) else {
            return largest
        }
        let reaches = quarter_powers(Float(bitPattern: UInt32(bitPattern: largest)))
        var squares = quarter_powers(0)
        for block in 0..<blocks {
            let magnitude = scale(block, row).load(as: Int32.self)
            squares = add_squared_units(squares, reaches, magnitude, Self.largestExponent)
        }
        let factors = quarter_powers(1)
        squares *= factors * factors
        var best = 0
        for candidate in 1..<4 where squares[candidate] < squares[best] { best = candidate }
        return Int32(bitPattern: reaches[best].bitPattern)
    }

    /// How often a block's magnitude may be doubled without exceeding the reach: the difference of two
    /// floats' bits counts that.
    @inline(__always)
    private static func exponent(_ reach: Int32, _ magnitude: Int32) -> Int32 {
        min((reach &- magnitude) &>> 23, largestExponent)
    }

    /// Where a block's scale is stored.
    @inline(__always)
    private func scale(_ block: Int, _ row: Int) -> UnsafeMutableRawPointer {
        let part = ActivationTile.header &+ block / 2 &* ActivationTile.part(rows)
        return tile + 4 &* (part &+ ActivationTile.scale(block % 2, rows) &+ row)
    }

    /// Calls `body` with 256 numbers, zeros after the row's end.
    @inline(__always)
    private func withSuperblock(
        _ source: UnsafePointer<Float>, _ superblock: Int, _ width: Int,
        _ body: (UnsafePointer<Float>) -> Void
    ) {
        let start = 256 &* superblock
        guard width &- start < 256 else { return body(source + start) }
        withUnsafeTemporaryAllocation(of: Float.self, capacity: 256) { padded in
            let base = padded.baseAddress.unsafelyUnwrapped
            for index in 0..<256 {
                base[index] = start &+ index < width ? source[start &+ index] : 0
            }
            body(base)
        }
    }

    /// One part of a row.
    @inline(__always)
    private func quantise(
        _ values: UnsafePointer<Float>, _ row: Int, _ rowMagnitude: Int32,
        _ part: UnsafeMutableRawPointer, _ sums: UnsafeMutableRawPointer, _ index: Int
    ) {
        for block in 0..<2 {
            let place = part + 4 &* (ActivationTile.scale(block, rows) &+ row)
            let magnitude = place.load(as: Int32.self)
            let (factor, scale, unit) = Self.scales(magnitude, rowMagnitude)
            place.storeBytes(of: scale, as: Float.self)
            let zero = Scaling.scaling.zero(scale)
            let target = part + 4 &* (ActivationTile.quad(8 &* block, rows) &+ row)
            let (low, high) = roundBlock(values + 32 &* block, factor, target)
            let sum = low &+ high
            func word(_ base: Int) -> UnsafeMutableRawPointer { part + 4 &* (base &+ row) }
            word(ActivationTile.startLess8(block, rows))
                .storeBytes(of: zero &- 8 &* sum, as: Int32.self)
            word(ActivationTile.startLess128(block, rows))
                .storeBytes(of: zero &- 128 &* sum, as: Int32.self)
            word(ActivationTile.halfStartLess32(2 &* block, rows))
                .storeBytes(of: zero &- 32 &* low, as: Int32.self)
            word(ActivationTile.halfStartLess32(2 &* block &+ 1, rows))
                .storeBytes(of: zero &- 32 &* high, as: Int32.self)
            word(ActivationTile.blockSum(block, rows))
                .storeBytes(of: Float(sum) * unit, as: Float.self)
            storeSums(low, high, unit * ActivationTile.sumsPerUnit, row, sums, 2 &* index &+ block)
        }
    }

    /// What a block's numbers are multiplied by, its stored scale, and that as a float.
    @inline(__always)
    private static func scales(
        _ magnitude: Int32, _ rowMagnitude: Int32
    ) -> (factor: Float, scale: Float, unit: Float) {
        let isPowerOfTwo = Scaling.scaling == .powerOfTwo
        guard rowMagnitude != 0 else { return (0, isPowerOfTwo ? Self.zero : 0, 0) }
        let rowLargest = Float(bitPattern: UInt32(bitPattern: rowMagnitude))
        if isPowerOfTwo {
            let exponent = exponent(rowMagnitude, magnitude)
            let power = Float(bitPattern: UInt32(bitPattern: (127 &+ exponent) &<< 23))
            let unit = Float(bitPattern: UInt32(bitPattern: (127 &- exponent) &<< 23))
            return (127 / rowLargest * power, Self.zero * unit, unit)
        }
        guard magnitude >= smallest else { return (0, 0, 0) }
        let blockLargest = Float(bitPattern: UInt32(bitPattern: magnitude))
        let unit = blockLargest / rowLargest
        return (127 / blockLargest, unit, unit)
    }

    /// Rounds a block to bytes, quads `rows` words apart; returns the sums of its halves.
    @inline(__always)
    private func roundBlock(
        _ values: UnsafePointer<Float>, _ factor: Float, _ quads: UnsafeMutableRawPointer
    ) -> (low: Int32, high: Int32) {
        var (low, high) = (IntVector(repeating: 0), IntVector(repeating: 0))
        let words = quads.assumingMemoryBound(to: Int32.self)
        for vector in 0..<(32 / lane_count) {
            let first = vector &* lane_count
            let number =
                UnsafeRawPointer(values + first)
                .loadUnaligned(as: FloatVector.self) * FloatVector(repeating: factor)
            // Adding it leaves the nearest integer in the low bits of the fraction.
            let shifted = number + FloatVector(repeating: Self.zero)
            let rounded =
                unsafeBitCast(shifted, to: IntVector.self) &- IntVector(repeating: 0x4B40_0000)
            if first < 16 { low = low &+ rounded } else { high = high &+ rounded }
            store_quads(rounded, words + first / 4 &* rows, rows)
        }
        return (int_sum(low), int_sum(high))
    }

    /// Stores a block's sums as 16-bit numbers, in the halves of words.
    @inline(__always)
    private func storeSums(
        _ low: Int32, _ high: Int32, _ unit: Float, _ row: Int,
        _ sums: UnsafeMutableRawPointer, _ block: Int
    ) {
        @inline(__always) func rounded(_ sum: Int32) -> UInt32 {
            let shifted = Float(sum) * unit + Self.zero
            return shifted.bitPattern & 0xFFFF
        }
        let whole = UInt16(truncatingIfNeeded: rounded(low &+ high))
        let offset =
            4 &* (ActivationTile.sumPair(block / 2, rows) &+ row) &+ 2 &* (block % 2)
        sums.storeBytes(of: whole, toByteOffset: offset, as: UInt16.self)
        let pair = rounded(low) | rounded(high) &<< 16
        sums.storeBytes(
            of: pair, toByteOffset: 4 &* (ActivationTile.halfSumPair(block, rows) &+ row),
            as: UInt32.self)
    }

    @inline(__always)
    private func store(_ value: Float, at word: Int) {
        tile.storeBytes(of: value, toByteOffset: 4 &* word, as: Float.self)
    }

    /// A block's largest magnitude as the bits of a float, which order as numbers do; NaNs are largest.
    @inline(__always)
    private static func largestMagnitude(_ values: UnsafePointer<Float>) -> Int32 {
        var largest = IntVector(repeating: 0)
        let raw = UnsafeRawPointer(values)
        for vector in 0..<(32 / lane_count) {
            let bits = raw.loadUnaligned(
                fromByteOffset: 4 &* lane_count &* vector, as: IntVector.self)
            largest = larger_int(largest, bits & IntVector(repeating: 0x7FFF_FFFF))
        }
        return int_max(largest)
    }
}

/// The quantiser of one kind of scaling.
func quantiser<Scaling: BlockScaling>(_ scaling: Scaling.Type) -> PanelKernels.Quantise {
    { source, stride, rows, width, tile in
        ActivationQuantiser<Scaling>(tile: tile, rows: rows)
            .quantise(source, stride: stride, width: width)
    }
}
