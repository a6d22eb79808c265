// SPDX-License-Identifier: Apache-2.0

// Blocks of 32 elements with one scale, ggml's first formats. Byte j of the 16 quantised bytes holds
// element j in its low nibble and element j + 16 in its high one.

/// Bytes: half scale, 16 × two nibbles.
///
/// Value: scale · (q − 8).
@inline(__always)
func decodeQ4_0(_ block: UnsafeRawPointer, _ output: UnsafeMutablePointer<Float>) {
    let scale = block.half(at: 0)
    for index in 0..<16 {
        let pair = block.byte(at: 2 &+ index)
        output[index] = Float((pair & 15) &- 8) * scale
        output[index &+ 16] = Float((pair &>> 4) &- 8) * scale
    }
}

/// Bytes: half scale, half minimum, 16 × two nibbles.
///
/// Value: scale · q + minimum.
@inline(__always)
func decodeQ4_1(_ block: UnsafeRawPointer, _ output: UnsafeMutablePointer<Float>) {
    let scale = block.half(at: 0)
    let minimum = block.half(at: 2)
    for index in 0..<16 {
        let pair = block.byte(at: 4 &+ index)
        output[index] = Float(pair & 15) * scale + minimum
        output[index &+ 16] = Float(pair &>> 4) * scale + minimum
    }
}

/// Bytes: half scale, 32 fifth bits, 16 × two nibbles.
///
/// Value: scale · (q − 16).
@inline(__always)
func decodeQ5_0(_ block: UnsafeRawPointer, _ output: UnsafeMutablePointer<Float>) {
    let scale = block.half(at: 0)
    let fifthBits = block.fifthBits(at: 2)
    for index in 0..<16 {
        let (low, high) = block.fiveBitPair(at: 6, index, fifthBits)
        output[index] = Float(low &- 16) * scale
        output[index &+ 16] = Float(high &- 16) * scale
    }
}

/// Bytes: half scale, half minimum, 32 fifth bits, 16 × two nibbles.
///
/// Value: scale · q + minimum.
@inline(__always)
func decodeQ5_1(_ block: UnsafeRawPointer, _ output: UnsafeMutablePointer<Float>) {
    let scale = block.half(at: 0)
    let minimum = block.half(at: 2)
    let fifthBits = block.fifthBits(at: 4)
    for index in 0..<16 {
        let (low, high) = block.fiveBitPair(at: 8, index, fifthBits)
        output[index] = Float(low) * scale + minimum
        output[index &+ 16] = Float(high) * scale + minimum
    }
}

/// Bytes: half scale, 32 signed bytes.
///
/// Value: scale · q.
@inline(__always)
func decodeQ8_0(_ block: UnsafeRawPointer, _ output: UnsafeMutablePointer<Float>) {
    let scale = block.half(at: 0)
    for index in 0..<32 {
        output[index] = Float(block.signedByte(at: 2 &+ index)) * scale
    }
}

extension UnsafeRawPointer {
    /// The fifth bits of a block's 32 elements, element 0 in the lowest.
    @inline(__always)
    fileprivate func fifthBits(at offset: Int) -> UInt32 {
        UInt32(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    /// Elements `index` and `index + 16` of nibbles that start at `offset`, with their fifth bits.
    @inline(__always)
    fileprivate func fiveBitPair(
        at offset: Int, _ index: Int, _ fifthBits: UInt32
    ) -> (low: Int32, high: Int32) {
        let pair = byte(at: offset &+ index)
        let bits = fifthBits &>> UInt32(truncatingIfNeeded: index)
        let low = Int32(bitPattern: (bits & 1) &<< 4)
        let high = Int32(bitPattern: (bits &>> 12) & 16)
        return (pair & 15 | low, pair &>> 4 | high)
    }
}
