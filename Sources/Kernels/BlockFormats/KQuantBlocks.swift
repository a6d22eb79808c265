// SPDX-License-Identifier: Apache-2.0

// Superblocks of 256 elements: half-precision scales over small integer scales of 16 or 32 elements.

/// Bytes: 16 × (4-bit scale, 4-bit minimum), 64 × four 2-bit values, half scale, half minimum scale.
///
/// Value: (scale · s) · q − (minimumScale · m), in groups of 16. A byte holds the elements that are 32
/// apart in one half of the superblock.
@inline(__always)
func decodeQ2_K(_ block: UnsafeRawPointer, _ output: UnsafeMutablePointer<Float>) {
    let scale = block.half(at: 80)
    let minimumScale = block.half(at: 82)
    for group in 0..<16 {
        let packed = block.byte(at: group)
        let groupScale = scale * Float(packed & 15)
        let groupMinimum = minimumScale * Float(packed &>> 4)
        let quantised = block + 16 + (group &>> 3) &* 32 + (group & 1) &* 16
        let shift = shiftCount(group & 6)
        for index in 0..<16 {
            let value = (quantised.byte(at: index) &>> shift) & 3
            output[group &* 16 &+ index] = groupScale * Float(value) - groupMinimum
        }
    }
}

/// Bytes: 32 × eight high bits, 64 × four 2-bit values, 16 packed 6-bit scales, half scale.
///
/// Value: scale · (s − 32) · (q − 4), in groups of 16, where q's third bit is in the high bits.
@inline(__always)
func decodeQ3_K(_ block: UnsafeRawPointer, _ output: UnsafeMutablePointer<Float>) {
    let scale = block.half(at: 108)
    for group in 0..<16 {
        let low = block.byte(at: 96 &+ (group & 7)) &>> shiftCount((group &>> 3) &* 4)
        let high = block.byte(at: 104 &+ (group & 3)) &>> shiftCount((group &>> 2) &* 2)
        let groupScale = scale * Float((low & 15 | (high & 3) &<< 4) &- 32)
        let column = (group & 1) &* 16
        let quantised = block + 32 + (group &>> 3) &* 32 + column
        let highBits = block + column
        let shift = shiftCount(group & 6)
        let highShift = shiftCount(group &>> 1)
        for index in 0..<16 {
            let lowPart = (quantised.byte(at: index) &>> shift) & 3
            let highPart = (highBits.byte(at: index) &>> highShift) & 1
            output[group &* 16 &+ index] = groupScale * Float((lowPart | highPart &<< 2) &- 4)
        }
    }
}

/// Bytes: half scale, half minimum scale, 8 packed pairs (6-bit scale, 6-bit minimum), 128 × two nibbles.
///
/// Value: (scale · s) · q − (minimumScale · m). 32 bytes hold two groups of 32: low, then high nibbles.
@inline(__always)
func decodeQ4_K(_ block: UnsafeRawPointer, _ output: UnsafeMutablePointer<Float>) {
    let scale = block.half(at: 0)
    let minimumScale = block.half(at: 2)
    for pair in 0..<4 {
        let (lowScale, lowMinimum) = (block + 4).scaleAndMinimum(pair &* 2)
        let (highScale, highMinimum) = (block + 4).scaleAndMinimum(pair &* 2 &+ 1)
        let (scaleOfLow, minimumOfLow) = (scale * lowScale, minimumScale * lowMinimum)
        let (scaleOfHigh, minimumOfHigh) = (scale * highScale, minimumScale * highMinimum)
        let quantised = block + 16 + pair &* 32
        let elements = output + pair &* 64
        for index in 0..<32 {
            let nibbles = quantised.byte(at: index)
            elements[index] = scaleOfLow * Float(nibbles & 15) - minimumOfLow
            elements[index &+ 32] = scaleOfHigh * Float(nibbles &>> 4) - minimumOfHigh
        }
    }
}

/// As Q4_K, with 32 bytes of fifth bits before the nibbles: bit g of byte i belongs to element i of group g.
@inline(__always)
func decodeQ5_K(_ block: UnsafeRawPointer, _ output: UnsafeMutablePointer<Float>) {
    let scale = block.half(at: 0)
    let minimumScale = block.half(at: 2)
    for group in 0..<8 {
        let (groupScale, groupMinimum) = (block + 4).scaleAndMinimum(group)
        let (fullScale, fullMinimum) = (scale * groupScale, minimumScale * groupMinimum)
        let fifthBits = block + 16
        let quantised = block + 48 + (group &>> 1) &* 32
        let nibbleShift = shiftCount((group & 1) &* 4)
        let bitShift = shiftCount(group)
        let elements = output + group &* 32
        for index in 0..<32 {
            let nibble = (quantised.byte(at: index) &>> nibbleShift) & 15
            let fifth = ((fifthBits.byte(at: index) &>> bitShift) & 1) &<< 4
            elements[index] = fullScale * Float(nibble | fifth) - fullMinimum
        }
    }
}

/// Bytes: 128 × two low nibbles, 64 × four 2-bit upper parts, 16 signed scales, half scale.
///
/// Value: (scale · s) · (q − 32), in groups of 16. Each half of the superblock (128 elements) has four
/// runs of 32: the low nibbles of 64 bytes, then their high nibbles; the upper bits of run r are bits 2r
/// and 2r + 1 of 32 bytes.
@inline(__always)
func decodeQ6_K(_ block: UnsafeRawPointer, _ output: UnsafeMutablePointer<Float>) {
    let scale = block.half(at: 208)
    for group in 0..<16 {
        let groupScale = scale * Float(block.signedByte(at: 192 &+ group))
        let half = group &>> 3
        let run = (group & 7) &>> 1
        let column = (group & 1) &* 16
        let lowBits = block + half &* 64 + (run & 1) &* 32 + column
        let highBits = block + 128 + half &* 32 + column
        let lowShift = shiftCount((run &>> 1) &* 4)
        let highShift = shiftCount(run &* 2)
        for index in 0..<16 {
            let low = (lowBits.byte(at: index) &>> lowShift) & 15
            let high = (highBits.byte(at: index) &>> highShift) & 3
            output[group &* 16 &+ index] = groupScale * Float((low | high &<< 4) &- 32)
        }
    }
}

extension UnsafeRawPointer {
    /// The 6-bit scale and minimum of group 0…7, packed in 12 bytes.
    ///
    /// Bytes 0…3 hold the scales of groups 0…3 and bytes 4…7 their minima, in the low six bits. The
    /// groups 4…7 have their low four bits in bytes 8…11 (scale low, minimum high) and the upper two in
    /// the top bits of bytes 0…3 (scale) and 4…7 (minimum).
    @inline(__always)
    fileprivate func scaleAndMinimum(_ group: Int) -> (scale: Float, minimum: Float) {
        if group < 4 {
            return (Float(byte(at: group) & 63), Float(byte(at: group &+ 4) & 63))
        }
        let low = byte(at: group &+ 4)
        let scale = low & 15 | (byte(at: group &- 4) &>> 6) &<< 4
        let minimum = low &>> 4 | (byte(at: group) &>> 6) &<< 4
        return (Float(scale), Float(minimum))
    }
}
