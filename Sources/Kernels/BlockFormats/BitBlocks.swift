// SPDX-License-Identifier: Apache-2.0

// Blocks of one or two bits an element under one scale. What takes the codes out of a block also serves packing.

/// Bytes: half scale, 128 bits.
///
/// Value: scale or, where the bit is 0, minus scale.
@inline(__always)
func decodeQ1_0(_ block: UnsafeRawPointer, _ output: UnsafeMutablePointer<Float>) {
    let scale = block.half(at: 0)
    for index in 0..<128 {
        let bit = block.byte(at: 2 &+ index / 8) &>> shiftCount(index % 8) & 1
        output[index] = bit == 0 ? -scale : scale
    }
}

/// Bytes: half scale, 16 × four 2-bit values.
///
/// Value: scale · (q − 1).
@inline(__always)
func decodeQ2_0(_ block: UnsafeRawPointer, _ output: UnsafeMutablePointer<Float>) {
    let scale = block.half(at: 0)
    for index in 0..<64 {
        let code = block.byte(at: 2 &+ index / 4) &>> shiftCount(index % 4 &* 2) & 3
        output[index] = scale * Float(code &- 1)
    }
}

/// Value: scale · (q − 1); `takeTQ1_0` says where q is.
@inline(__always)
func decodeTQ1_0(_ block: UnsafeRawPointer, _ output: UnsafeMutablePointer<Float>) {
    decodeTernary(scale: block.half(at: 52), output) { takeTQ1_0(block, into: $0) }
}

/// Value: scale · (q − 1); `takeTQ2_0` says where q is.
@inline(__always)
func decodeTQ2_0(_ block: UnsafeRawPointer, _ output: UnsafeMutablePointer<Float>) {
    decodeTernary(scale: block.half(at: 64), output) { takeTQ2_0(block, into: $0) }
}

@inline(__always)
private func decodeTernary(
    scale: Float, _ output: UnsafeMutablePointer<Float>,
    _ take: (UnsafeMutablePointer<UInt8>) -> Void
) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 256) { buffer in
        let codes = buffer.baseAddress.unsafelyUnwrapped
        take(codes)
        for index in 0..<256 { output[index] = scale * Float(Int32(codes[index]) &- 1) }
    }
}

/// Takes the 128 bits out of a block of Q1_0.
public func takeQ1_0(_ block: UnsafeRawPointer, into codes: UnsafeMutablePointer<UInt8>) {
    for index in 0..<16 {
        let bits = UInt32(bitPattern: block.byte(at: 2 &+ index))
        UnsafeMutableRawPointer(codes).storeBytes(
            of: spreadBits(bits).littleEndian, toByteOffset: 8 &* index, as: UInt64.self)
    }
}

/// Takes the 64 2-bit values out of a block of Q2_0.
public func takeQ2_0(_ block: UnsafeRawPointer, into codes: UnsafeMutablePointer<UInt8>) {
    for index in 0..<8 {
        let bits = UInt32(block.bits16(at: 2 &+ 2 &* index))
        UnsafeMutableRawPointer(codes).storeBytes(
            of: spreadPairs(bits).littleEndian, toByteOffset: 8 &* index, as: UInt64.self)
    }
}

/// Takes the 256 values, 0 to 2, out of a block of TQ1_0.
///
/// Bytes: 48 × five digits of base 3, 4 × four, half scale. A byte is a fraction of 256: the integer part of three
/// times it is its first digit, and the fraction has the next ones. The first 32 bytes hold the elements that are 32
/// apart, the next 16 those that are 16 apart, the last 4 those that are 4 apart.
public func takeTQ1_0(_ block: UnsafeRawPointer, into codes: UnsafeMutablePointer<UInt8>) {
    @inline(__always)
    func take(_ bytes: Int, from source: Int, digits: Int, to target: Int) {
        var power: Int32 = 1
        for digit in 0..<digits {
            for index in 0..<bytes {
                let fraction = (block.byte(at: source &+ index) &* power) & 0xFF
                codes[target &+ digit &* bytes &+ index] = UInt8(
                    truncatingIfNeeded: (fraction &* 3) &>> 8)
            }
            power &*= 3
        }
    }
    take(32, from: 0, digits: 5, to: 0)
    take(16, from: 32, digits: 5, to: 160)
    take(4, from: 48, digits: 4, to: 240)
}

/// Takes the 256 values, 0 to 3, out of a block of TQ2_0.
///
/// Bytes: 64 × four 2-bit values, half scale. A byte holds the elements that are 32 apart in one half of the block.
public func takeTQ2_0(_ block: UnsafeRawPointer, into codes: UnsafeMutablePointer<UInt8>) {
    for group in 0..<8 {
        let shift = shiftCount(group % 4 &* 2)
        for index in 0..<32 {
            codes[32 &* group &+ index] = UInt8(
                truncatingIfNeeded: block.byte(at: group / 4 &* 32 &+ index) &>> shift & 3)
        }
    }
}
