// SPDX-License-Identifier: Apache-2.0
import BlockFormats

/// The numbers of up to 256 consecutive weights of one column, taken out of a file's blocks.
///
/// The buffers belong to a `ColumnGroup`, which is reused, so nothing is allocated per block.
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

    /// All weights zero under scales of one.
    @inline(__always)
    func clear() {
        weights.initialize(repeating: 0, count: 256)
        factors.initialize(repeating: 0x3C00, count: 2)
        minimumFactors.initialize(repeating: 0, count: 2)
        scales.initialize(repeating: 0, count: 16)
        minima.initialize(repeating: 0, count: 16)
    }

    /// Whether every factor is finite.
    @inline(__always)
    var isFinite: Bool {
        // Halves with all exponent bits set are infinities and NaNs.
        @inline(__always) func isFinite(_ half: UInt16) -> Bool { half & 0x7C00 != 0x7C00 }
        return isFinite(factors[0]) && isFinite(factors[1])
            && isFinite(minimumFactors[0]) && isFinite(minimumFactors[1])
    }
}

extension ColumnBlock {
    /// Copies whole vectors of bytes.
    @inline(__always)
    func takeBytes(_ source: UnsafeRawPointer, at first: Int, count: Int) {
        for offset in stride(from: 0, to: count, by: 16) {
            source.words(offset).store(weights + (first &+ offset))
        }
    }

    /// Reads 32 weights of five bits, whose fifth bits are the bits of one word.
    @inline(__always)
    func takeFiveBits(_ source: UnsafeRawPointer, bits: UnsafeRawPointer, at first: Int) {
        let bits = UInt32(littleEndian: bits.loadUnaligned(as: UInt32.self))
        let pairs = source.words(0)
        for half in 0..<2 {
            let nibbles = (half == 0 ? pairs : pairs &>> 4) & .ofBytes(15)
            var fifth = Words(repeating: 0)
            for quad in 0..<4 {
                let four = bits &>> UInt32(truncatingIfNeeded: 16 &* half &+ 4 &* quad) & 15
                // Bit i of `four` is bit 8i of its product with 1 + 2^7 + 2^14 + 2^21.
                fifth[quad] = (four &* 0x0020_4081) & 0x0101_0101
            }
            (nibbles | fifth &<< 4).store(weights + (first &+ 16 &* half))
        }
    }

    /// Reads 16 weights of two bits, which lie at the same place in 16 bytes.
    @inline(__always)
    func takePairs(_ source: UnsafeRawPointer, shift: Int, at first: Int) {
        (source.words(0).shifted(right: shift) & .ofBytes(3)).store(weights + first)
    }

    /// Reads the six-bit scales and minima of Q4_K and Q5_K.
    @inline(__always)
    func takeSixBitScales(_ packed: UnsafeRawPointer) {
        for group in 0..<4 {
            scales[group] = packed.byte(group) & 63
            minima[group] = packed.byte(group &+ 4) & 63
            let low = packed.byte(group &+ 8)
            scales[group &+ 4] = low & 15 | (packed.byte(group) &>> 6) &<< 4
            minima[group &+ 4] = low &>> 4 | (packed.byte(group &+ 4) &>> 6) &<< 4
        }
    }
}

/// Sixteen independent bytes.
typealias Words = SIMD4<UInt32>

extension Words {
    @inline(__always)
    static func ofBytes(_ byte: UInt32) -> Words {
        Words(repeating: byte &* 0x0101_0101)
    }

    /// Shifts all words by the same number of bits.
    @inline(__always)
    func shifted(right bits: Int) -> Words {
        self &>> Words(repeating: UInt32(truncatingIfNeeded: bits))
    }

    @inline(__always)
    func store(_ target: UnsafeMutablePointer<UInt8>) {
        UnsafeMutableRawPointer(target).storeBytes(of: self, as: Words.self)
    }
}

extension UnsafeRawPointer {
    @inline(__always)
    func words(_ offset: Int) -> Words {
        loadUnaligned(fromByteOffset: offset, as: Words.self)
    }

    @inline(__always)
    func byte(_ offset: Int) -> UInt8 { load(fromByteOffset: offset, as: UInt8.self) }

    @inline(__always)
    func half(_ offset: Int) -> UInt16 {
        UInt16(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }
}
