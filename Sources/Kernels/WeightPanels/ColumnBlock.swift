// SPDX-License-Identifier: Apache-2.0
import BlockFormats

/// The numbers of up to 256 consecutive weights of one column, taken out of a file's blocks.
///
/// Buffers are reused from block to block, so nothing is allocated per block.
struct ColumnBlock {
    /// Unsigned weights.
    let weights: UnsafeMutablePointer<UInt8>  // [256]
    /// Half-precision scales, or factors of the integer scales, of each 32 or 256 weights.
    let factors: UnsafeMutablePointer<UInt16>  // [2]
    /// Half-precision minima, or factors of the integer minima.
    let minimumFactors: UnsafeMutablePointer<UInt16>  // [2]
    /// Integer scales of the groups of a superblock; signed ones as two's complement.
    let scales: UnsafeMutablePointer<UInt8>  // [16]
    /// Integer minima of the groups of a superblock.
    let minima: UnsafeMutablePointer<UInt8>  // [16]

    init() {
        weights = .allocate(capacity: 256)
        factors = .allocate(capacity: 2)
        minimumFactors = .allocate(capacity: 2)
        scales = .allocate(capacity: 16)
        minima = .allocate(capacity: 16)
        clear()
    }

    func deallocate() {
        weights.deallocate()
        factors.deallocate()
        minimumFactors.deallocate()
        scales.deallocate()
        minima.deallocate()
    }

    /// All weights zero under scales of one.
    func clear() {
        weights.initialize(repeating: 0, count: 256)
        factors.initialize(repeating: 0x3C00, count: 2)
        minimumFactors.initialize(repeating: 0, count: 2)
        scales.initialize(repeating: 0, count: 16)
        minima.initialize(repeating: 0, count: 16)
    }

    /// Whether every factor is finite.
    var isFinite: Bool {
        // Halves with all exponent bits set are infinities and NaNs.
        (0..<2).allSatisfy {
            factors[$0] & 0x7C00 != 0x7C00 && minimumFactors[$0] & 0x7C00 != 0x7C00
        }
    }
}

extension ColumnBlock {
    /// Takes block `index` (0 or 1 of a superblock of 64) of a format with blocks of 32.
    func take(_ format: BlockFormat, _ block: UnsafeRawPointer, at index: Int) {
        let weights = weights + 32 * index
        switch format {
        case .q4_0, .iq4_nl: takeNibbles(block + 2, weights)
        case .q4_1: takeNibbles(block + 4, weights)
        case .q5_0: takeFiveBits(block + 6, bits: block + 2, weights)
        case .q5_1: takeFiveBits(block + 8, bits: block + 4, weights)
        case .q8_0:
            for element in 0..<32 { weights[element] = block.byte(2 + element) ^ 0x80 }
        case .mxfp4: takeNibbles(block + 1, weights)
        default: preconditionFailure("\(format.name) has no blocks of 32")
        }
        factors[index] = format == .mxfp4 ? bfloatScale(block.byte(0)) : block.half(0)
        if format == .q4_1 || format == .q5_1 { minimumFactors[index] = block.half(2) }
        if factors[index] & 0x7FFF == 0, let zero = zeroPoint(format) {
            weights.update(repeating: zero, count: 32)
            factors[index] = 0x3C00
        }
    }

    /// The stored weight that stands for zero, in the formats whose scale may be zero.
    ///
    /// Weights under a zero scale are zero; zero weights under a scale of one are the same numbers, and
    /// leave kernels a scale whose exponent they may change.
    private func zeroPoint(_ format: BlockFormat) -> UInt8? {
        switch format {
        case .q4_0: 8
        case .q5_0: 16
        case .q8_0: 128
        case .q4_1, .q5_1: 0
        default: nil
        }
    }

    /// Does the same for a superblock, whose scales may be zero in their factor or in their integers.
    private func setZeroGroups(of length: Int, _ zero: UInt8) {
        let factorIsZero = factors[0] & 0x7FFF == 0
        for group in 0..<(256 / length) where factorIsZero || scales[group] == 0 {
            weights.advanced(by: group * length).update(repeating: zero, count: length)
            scales[group] = 1
        }
        if factorIsZero { factors[0] = 0x3C00 }
    }

    /// Half of 2^(e − 127), as MXFP4's levels are doubled, as a bfloat16 number.
    private func bfloatScale(_ exponent: UInt8) -> UInt16 {
        exponent < 2 ? 0x20 << UInt16(exponent) : UInt16(exponent - 1) << 7
    }

    /// Byte j holds element j in its low nibble and element j + 16 in its high one.
    private func takeNibbles(
        _ source: UnsafeRawPointer, _ weights: UnsafeMutablePointer<UInt8>, count: Int = 16
    ) {
        // Eight bytes at a time: no byte depends on its neighbours.
        let (low, high) = (
            UnsafeMutableRawPointer(weights), UnsafeMutableRawPointer(weights + count)
        )
        let mask: UInt64 = 0x0F0F_0F0F_0F0F_0F0F
        for offset in stride(from: 0, to: count, by: 8) {
            let pairs = source.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            low.storeBytes(of: pairs & mask, toByteOffset: offset, as: UInt64.self)
            high.storeBytes(of: pairs &>> 4 & mask, toByteOffset: offset, as: UInt64.self)
        }
    }

    private func takeFiveBits(
        _ source: UnsafeRawPointer, bits: UnsafeRawPointer, _ weights: UnsafeMutablePointer<UInt8>
    ) {
        takeNibbles(source, weights)
        let bits = UInt32(littleEndian: bits.loadUnaligned(as: UInt32.self))
        for quad in 0..<8 {
            let four = (bits &>> UInt32(truncatingIfNeeded: 4 &* quad)) & 15
            // Bit i of `four` is bit 8i of its product with 1 + 2^7 + 2^14 + 2^21.
            let spread = (four &* 0x0020_4081) & 0x0101_0101
            let word = UnsafeMutableRawPointer(weights + 4 &* quad)
            let low = word.loadUnaligned(as: UInt32.self)
            word.storeBytes(of: low | (spread &<< 4).littleEndian, as: UInt32.self)
        }
    }
}

extension ColumnBlock {
    /// Takes a superblock of 256.
    func take(_ format: BlockFormat, superblock block: UnsafeRawPointer) {
        switch format {
        case .q2_K: takeQ2_K(block)
        case .q3_K: takeQ3_K(block)
        case .q4_K, .q5_K: takeSixBitScales(block, fiveBits: format == .q5_K)
        case .q6_K: takeQ6_K(block)
        case .iq4_xs: takeIQ4_XS(block)
        default: preconditionFailure("\(format.name) has no blocks of 256")
        }
    }

    private func takeQ2_K(_ block: UnsafeRawPointer) {
        factors[0] = block.half(80)
        minimumFactors[0] = block.half(82)
        for group in 0..<16 {
            scales[group] = block.byte(group) & 15
            minima[group] = block.byte(group) &>> 4
            let source = block + 16 + (group / 8) * 32 + (group % 2) * 16
            take(16, at: 16 * group, from: source, shift: group & 6, mask: 3)
        }
        setZeroGroups(of: 16, 0)
    }

    /// scale · (s − 32) · (q − 4), with s − 32 as a signed byte.
    private func takeQ3_K(_ block: UnsafeRawPointer) {
        factors[0] = block.half(108)
        for group in 0..<16 {
            let low = block.byte(96 + group % 8) &>> UInt8(group / 8 * 4)
            let high = block.byte(104 + group % 4) &>> UInt8(group / 4 * 2)
            scales[group] = (low & 15 | (high & 3) &<< 4) &- 32
            let column = (group & 1) * 16
            take(
                16, at: 16 * group, from: block + 32 + group / 8 * 32 + column, shift: group & 6,
                mask: 3)
            for index in 0..<16 {
                let bit = (block.byte(column + index) &>> UInt8(group / 2)) & 1
                weights[16 &* group &+ index] |= bit &<< 2
            }
        }
        setZeroGroups(of: 16, 4)
    }

    private func takeSixBitScales(_ block: UnsafeRawPointer, fiveBits: Bool) {
        factors[0] = block.half(0)
        minimumFactors[0] = block.half(2)
        let packed = block + 4
        for group in 0..<4 {
            scales[group] = packed.byte(group) & 63
            minima[group] = packed.byte(group + 4) & 63
            let low = packed.byte(group + 8)
            scales[group + 4] = low & 15 | (packed.byte(group) &>> 6) &<< 4
            minima[group + 4] = low &>> 4 | (packed.byte(group + 4) &>> 6) &<< 4
        }
        let nibbles = block + (fiveBits ? 48 : 16)
        for pair in 0..<4 { takeNibbles(nibbles + 32 * pair, weights + 64 * pair, count: 32) }
        if fiveBits {
            for group in 0..<8 {
                for index in 0..<32 {
                    let bit = (block.byte(16 &+ index) &>> UInt8(truncatingIfNeeded: group)) & 1
                    weights[32 &* group &+ index] |= bit &<< 4
                }
            }
        }
        setZeroGroups(of: 32, 0)
    }

    private func takeQ6_K(_ block: UnsafeRawPointer) {
        factors[0] = block.half(208)
        for run in 0..<8 {
            let (half, quarter) = (run / 4, run % 4)
            let low = block + half * 64 + quarter % 2 * 32
            let high = block + 128 + half * 32
            let (lowShift, highShift) = (UInt8(quarter / 2 * 4), UInt8(quarter * 2))
            let target = weights + 32 * run
            for index in 0..<32 {
                let lowPart = (low.byte(index) &>> lowShift) & 15
                target[index] = lowPart | ((high.byte(index) &>> highShift) & 3) &<< 4
            }
        }
        for group in 0..<16 { scales[group] = block.byte(192 + group) }
        setZeroGroups(of: 16, 32)
    }

    /// Scales stay six bits, from which the kernel takes 32.
    private func takeIQ4_XS(_ block: UnsafeRawPointer) {
        factors[0] = block.half(0)
        let upper = block.half(2)
        for group in 0..<8 {
            let low = (block.byte(4 + group / 2) &>> UInt8(group % 2 * 4)) & 15
            scales[group] = low | UInt8((upper &>> UInt16(2 * group)) & 3) &<< 4
            takeNibbles(block + 8 + 16 * group, weights + 32 * group)
        }
    }

    private func take(
        _ count: Int, at first: Int, from source: UnsafeRawPointer, shift: Int, mask: UInt8
    ) {
        for index in 0..<count {
            weights[first &+ index] = source.byte(index) &>> UInt8(truncatingIfNeeded: shift) & mask
        }
    }
}

extension UnsafeRawPointer {
    @inline(__always)
    fileprivate func byte(_ offset: Int) -> UInt8 { load(fromByteOffset: offset, as: UInt8.self) }

    @inline(__always)
    fileprivate func half(_ offset: Int) -> UInt16 {
        UInt16(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }
}
