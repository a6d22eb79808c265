// SPDX-License-Identifier: Apache-2.0
import CVectorOps

/// A superblock of IQ1, IQ2 or IQ3, taken apart: what decoding it and packing it have in common.
///
/// These formats store indices into grids: an entry is the magnitudes of eight or four weights. Every weight becomes a
/// code. Codes of IQ2 are a magnitude in bits 0 and 1 and a sign in bit 2; of IQ3 a magnitude in bits 0 to 2 and a
/// sign in bit 3; of IQ1 a number in bits 0 and 1, and in bit 2 whether an eighth is subtracted from it or added.
public struct GridBlock {
    /// The codes of the weights.
    public let codes: UnsafeMutablePointer<UInt8>  // [256]
    /// A number s for each 16 weights, or each 32 of IQ3; their scale is in proportion to 2 · s + 1.
    public let scales: UnsafeMutablePointer<UInt8>  // [16]

    /// A block in the given buffers.
    @inline(__always)
    public init(codes: UnsafeMutablePointer<UInt8>, scales: UnsafeMutablePointer<UInt8>) {
        self.codes = codes
        self.scales = scales
    }

    /// Bytes: half scale, 32 low bytes of grid indices, 8 words: four times three high bits, three bits of scale, a
    /// sign.
    ///
    /// - Returns: the bits of the half-precision scale, here and below.
    public func takeIQ1_S(_ block: UnsafeRawPointer) -> UInt16 {
        for group in 0..<8 {
            let word = UInt32(block.bits16(at: 34 &+ 2 &* group))
            let scale = UInt8(truncatingIfNeeded: word &>> 12 & 7)
            (scales[2 &* group], scales[2 &* group &+ 1]) = (scale, scale)
            for index in 0..<4 {
                let entry = 4 &* group &+ index
                let high = word &>> shift(3 &* index) & 7
                setShifted(
                    iq1_grid(block.index(at: 2 &+ entry) | high &<< 8), isNegative: word & 0x8000,
                    entry)
            }
        }
        return block.bits16(at: 0)
    }

    /// Bytes: 32 low bytes of grid indices, 32 nibbles of three high bits and a sign, 4 words of four times three bits
    /// of scale.
    ///
    /// The upper nibbles of the words are the half-precision scale.
    public func takeIQ1_M(_ block: UnsafeRawPointer) -> UInt16 {
        for group in 0..<16 {
            let word = block.bits16(at: 48 &+ group / 4 &* 2)
            scales[group] = UInt8(
                truncatingIfNeeded: word &>> UInt16(truncatingIfNeeded: group % 4 &* 3) & 7)
            for index in 0..<2 {
                let entry = 2 &* group &+ index
                let nibble = block.index(at: 32 &+ group) &>> shift(4 &* index)
                setShifted(
                    iq1_grid(block.index(at: entry) | (nibble & 7) &<< 8), isNegative: nibble & 8,
                    entry)
            }
        }
        return block.bits16(at: 48) &>> 12 | block.bits16(at: 50) &>> 8 & 0xF0
            | block.bits16(at: 52) &>> 4 & 0xF00 | block.bits16(at: 54) & 0xF000
    }

    /// Bytes: half scale, 8 pairs of words: four grid indices; four times seven bits of signs and four of scale.
    public func takeIQ2_XXS(_ block: UnsafeRawPointer) -> UInt16 {
        for group in 0..<8 {
            let word = block.bits32(at: 6 &+ 8 &* group)
            let scale = UInt8(truncatingIfNeeded: word &>> 28)
            (scales[2 &* group], scales[2 &* group &+ 1]) = (scale, scale)
            for index in 0..<4 {
                setEight(
                    iq2_xxs_grid(block.index(at: 2 &+ 8 &* group &+ index)),
                    signs: evenSigns(word &>> shift(7 &* index)), 4 &* group &+ index)
            }
        }
        return block.bits16(at: 0)
    }

    /// Bytes: half scale, 32 words of nine bits of grid index and seven of signs, 16 nibbles of scales.
    public func takeIQ2_XS(_ block: UnsafeRawPointer) -> UInt16 {
        for entry in 0..<32 {
            let word = UInt32(block.bits16(at: 2 &+ 2 &* entry))
            setEight(iq2_xs_grid(word & 511), signs: evenSigns(word &>> 9), entry)
        }
        setScales(block + 66, count: 16)
        return block.bits16(at: 0)
    }

    /// Bytes: half scale, 32 low bytes of grid indices, 32 × eight signs, 32 times two high bits, 16 nibbles of scales.
    public func takeIQ2_S(_ block: UnsafeRawPointer) -> UInt16 {
        for entry in 0..<32 {
            let high = block.index(at: 66 &+ entry / 4) &>> shift(entry % 4 &* 2) & 3
            setEight(
                iq2_s_grid(block.index(at: 2 &+ entry) | high &<< 8),
                signs: block.index(at: 34 &+ entry), entry)
        }
        setScales(block + 74, count: 16)
        return block.bits16(at: 0)
    }

    /// Bytes: half scale, 64 grid indices, 8 words of four times seven bits of signs and four of scale.
    public func takeIQ3_XXS(_ block: UnsafeRawPointer) -> UInt16 {
        for group in 0..<8 {
            let word = block.bits32(at: 66 &+ 4 &* group)
            scales[group] = UInt8(truncatingIfNeeded: word &>> 28)
            for index in 0..<4 {
                let entry = 4 &* group &+ index
                setFours(
                    iq3_xxs_grid(block.index(at: 2 &+ 2 &* entry)),
                    iq3_xxs_grid(block.index(at: 3 &+ 2 &* entry)),
                    signs: evenSigns(word &>> shift(7 &* index)), entry)
            }
        }
        return block.bits16(at: 0)
    }

    /// Bytes: half scale, 64 low bytes of grid indices, 64 high bits, 32 × eight signs, 8 nibbles of scales.
    public func takeIQ3_S(_ block: UnsafeRawPointer) -> UInt16 {
        for entry in 0..<32 {
            let high = block.index(at: 66 &+ entry / 4) &>> shift(entry % 4 &* 2)
            setFours(
                iq3_s_grid(block.index(at: 2 &+ 2 &* entry) | (high & 1) &<< 8),
                iq3_s_grid(block.index(at: 3 &+ 2 &* entry) | (high & 2) &<< 7),
                signs: block.index(at: 74 &+ entry), entry)
        }
        setScales(block + 106, count: 8)
        return block.bits16(at: 0)
    }

    /// Reads scales from the low, then the high nibbles of bytes.
    @inline(__always)
    private func setScales(_ nibbles: UnsafeRawPointer, count: Int) {
        for index in 0..<count {
            scales[index] = UInt8(
                truncatingIfNeeded: nibbles.index(at: index / 2) &>> shift(index % 2 &* 4) & 15)
        }
    }

    /// Sets eight weights of IQ1: two bits each, and a sign that they share.
    @inline(__always)
    private func setShifted(_ entry: UInt32, isNegative: UInt32, _ place: Int) {
        store(spreadPairs(entry) | (isNegative == 0 ? 0 : 0x0404_0404_0404_0404), place)
    }

    /// Sets eight weights of IQ2: two bits and a sign each.
    @inline(__always)
    private func setEight(_ entry: UInt32, signs: UInt32, _ place: Int) {
        store(spreadPairs(entry) | spreadBits(signs) &<< 2, place)
    }

    /// Sets eight weights of IQ3: three bits and a sign each.
    @inline(__always)
    private func setFours(_ first: UInt32, _ second: UInt32, signs: UInt32, _ place: Int) {
        @inline(__always) func spread(_ entry: UInt32) -> UInt64 {
            UInt64(
                entry & 0x007 | (entry & 0x038) &<< 5 | (entry & 0x1C0) &<< 10
                    | (entry & 0xE00) &<< 15)
        }
        store(spread(first) | spread(second) &<< 32 | spreadBits(signs) &<< 3, place)
    }

    @inline(__always)
    private func store(_ eightCodes: UInt64, _ place: Int) {
        UnsafeMutableRawPointer(codes).storeBytes(
            of: eightCodes.littleEndian, toByteOffset: 8 &* place, as: UInt64.self)
    }
}

/// Eight times two bits, each pair in a byte of its own.
@inline(__always)
func spreadPairs(_ bits: UInt32) -> UInt64 {
    var spread = UInt64(bits & 0xFFFF)
    spread = (spread | spread &<< 24) & 0x0000_00FF_0000_00FF
    spread = (spread | spread &<< 12) & 0x000F_000F_000F_000F
    return (spread | spread &<< 6) & 0x0303_0303_0303_0303
}

/// Eight bits, each in a byte of its own.
@inline(__always)
func spreadBits(_ bits: UInt32) -> UInt64 {
    // Byte i keeps bit i, and adding 0x7F carries it to the top.
    let kept = (UInt64(bits & 0xFF) &* 0x0101_0101_0101_0101) & 0x8040_2010_0804_0201
    return (kept &+ 0x7F7F_7F7F_7F7F_7F7F) &>> 7 & 0x0101_0101_0101_0101
}

/// Eight signs of which an even number is negative, given seven.
@inline(__always)
private func evenSigns(_ word: UInt32) -> UInt32 {
    let seven = word & 127
    return seven | UInt32(truncatingIfNeeded: seven.nonzeroBitCount & 1) &<< 7
}

@inline(__always)
private func shift(_ bits: Int) -> UInt32 { UInt32(truncatingIfNeeded: bits) }

extension UnsafeRawPointer {
    /// The byte at an offset, as an index.
    @inline(__always)
    fileprivate func index(at offset: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: load(fromByteOffset: offset, as: UInt8.self))
    }
}
