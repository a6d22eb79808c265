// SPDX-License-Identifier: Apache-2.0
import CVectorOps

// Formats whose nibbles are indices into a table of 16 values.

/// The non-uniform levels of IQ4_NL and IQ4_XS (`kvalues_iq4nl` of ggml).
private let iq4Levels: SIMD16<Float> = [
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
]

/// Twice the E2M1 numbers of the OCP microscaling format (`kvalues_mxfp4` of ggml).
///
/// Code 8, minus zero, is stored as plus zero, as ggml's integer table does.
private let doubledE2M1: SIMD16<Float> = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]

/// Bytes: half scale, 16 × two nibbles.
///
/// Value: scale · level[q].
@inline(__always)
func decodeIQ4_NL(_ block: UnsafeRawPointer, _ output: UnsafeMutablePointer<Float>) {
    decodeNibbles(block + 2, scale: block.half(at: 0), levels: iq4Levels, output)
}

/// Bytes: half scale, 16 bits of upper scale parts, 4 bytes of lower ones, 128 × two nibbles.
///
/// Value: scale · (s − 32) · level[q], in groups of 32.
@inline(__always)
func decodeIQ4_XS(_ block: UnsafeRawPointer, _ output: UnsafeMutablePointer<Float>) {
    let scale = block.half(at: 0)
    let upperParts = block.byte(at: 2) | block.byte(at: 3) &<< 8
    for group in 0..<8 {
        let lower = block.byte(at: 4 &+ group / 2) &>> shiftCount((group & 1) &* 4)
        let upper = upperParts &>> shiftCount(group &* 2)
        let groupScale = scale * Float((lower & 15 | (upper & 3) &<< 4) &- 32)
        decodeNibbles(
            block + 8 + group &* 16, scale: groupScale, levels: iq4Levels, output + group &* 32)
    }
}

/// Bytes: power-of-two scale (E8M0), 16 × two nibbles.
///
/// Value: 2^(e − 127) · E2M1[q].
@inline(__always)
func decodeMXFP4(_ block: UnsafeRawPointer, _ output: UnsafeMutablePointer<Float>) {
    let exponent = UInt32(bitPattern: block.byte(at: 0))
    // Half of 2^(e − 127), as the table is doubled; the two smallest are subnormal.
    let bits = exponent < 2 ? UInt32(0x20_0000) &<< exponent : (exponent &- 1) &<< 23
    decodeNibbles(block + 1, scale: Float(bitPattern: bits), levels: doubledE2M1, output)
}

/// Bytes: 4 unsigned scales of four exponent and three fraction bits (UE4M3), 32 × two nibbles.
///
/// Value: scale · E2M1[q], in groups of 16: byte j of a group's 8 holds element j in its low nibble and element
/// j + 8 in its high one.
@inline(__always)
func decodeNVFP4(_ block: UnsafeRawPointer, _ output: UnsafeMutablePointer<Float>) {
    for group in 0..<4 {
        let scale = halvedUE4M3(block.load(fromByteOffset: group, as: UInt8.self))
        let (quantised, elements) = (block + (4 &+ group &* 8), output + group &* 16)
        withUnsafeBytes(of: doubledE2M1 * scale) { table in
            for index in 0..<8 {
                let pair = Int(quantised.byte(at: index))
                elements[index] = table.load(fromByteOffset: (pair & 15) &* 4, as: Float.self)
                elements[index &+ 8] = table.load(
                    fromByteOffset: (pair &>> 4) &* 4, as: Float.self)
            }
        }
    }
}

/// Half of an NVFP4 scale, as the table is doubled; ggml reads the NaN 0x7F as zero and passes over the top bit.
@inline(__always)
private func halvedUE4M3(_ bits: UInt8) -> Float {
    guard bits != 0x7F else { return 0 }
    // As a half's bits the number is 2^8 too small.
    return float_from_half(UInt16(bits & 0x7F) &<< 7) * 0x1p7
}

/// Decodes 32 elements: byte j holds element j in its low nibble and element j + 16 in its high one.
@inline(__always)
private func decodeNibbles(
    _ quantised: UnsafeRawPointer, scale: Float, levels: SIMD16<Float>,
    _ output: UnsafeMutablePointer<Float>
) {
    withUnsafeBytes(of: levels * scale) { table in
        for index in 0..<16 {
            let pair = Int(quantised.byte(at: index))
            output[index] = table.load(fromByteOffset: (pair & 15) &* 4, as: Float.self)
            output[index &+ 16] = table.load(fromByteOffset: (pair &>> 4) &* 4, as: Float.self)
        }
    }
}
