// SPDX-License-Identifier: Apache-2.0
import CVectorOps

/// Copies single-precision numbers.
@inline(never)
func decodeF32(
    _ source: UnsafeRawPointer, count: Int, into destination: UnsafeMutablePointer<Float>
) {
    for index in 0..<count {
        let bits = source.loadUnaligned(fromByteOffset: index &* 4, as: UInt32.self)
        destination[index] = Float(bitPattern: UInt32(littleEndian: bits))
    }
}

/// Widens IEEE half-precision numbers.
@inline(never)
func decodeF16(
    _ source: UnsafeRawPointer, count: Int, into destination: UnsafeMutablePointer<Float>
) {
    for index in 0..<count {
        destination[index] = source.half(at: index &* 2)
    }
}

/// Rounds numbers to bf16, ties to even.
///
/// - Parameter destination: room for `2 · count` bytes.
public func encodeBF16(
    _ source: UnsafePointer<Float>, count: Int, into destination: UnsafeMutableRawPointer
) {
    for index in 0..<count {
        destination.storeBytes(
            of: brain_float_from_float(source[index]).littleEndian, toByteOffset: index &* 2,
            as: UInt16.self)
    }
}

/// Widens bf16 numbers, the upper halves of single-precision ones.
@inline(never)
func decodeBF16(
    _ source: UnsafeRawPointer, count: Int, into destination: UnsafeMutablePointer<Float>
) {
    for index in 0..<count {
        let bits = source.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self)
        destination[index] = Float(bitPattern: UInt32(UInt16(littleEndian: bits)) &<< 16)
    }
}
