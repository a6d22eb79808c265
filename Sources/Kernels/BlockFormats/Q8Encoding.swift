// SPDX-License-Identifier: Apache-2.0
import CVectorOps

/// Rounds numbers to blocks of Q8_0: the nearest multiples of a 127th of each block's largest magnitude.
///
/// - Parameters:
///   - count: a multiple of 32.
///   - destination: room for `BlockFormat.q8_0.byteCount(of: count)` bytes.
///
/// Not finite numbers yield a scale that is not finite.
public func encodeQ8_0(
    _ source: UnsafePointer<Float>, count: Int, into destination: UnsafeMutableRawPointer
) {
    precondition(count % 32 == 0)
    for block in 0..<(count / 32) {
        let values = source + 32 &* block
        let target = destination + 34 &* block
        let largest = largestMagnitude(values)
        let scale = half_from_float(largest.isFinite ? largest / 127 : .infinity)
        target.storeBytes(of: scale.littleEndian, as: UInt16.self)
        let width = float_from_half(scale)
        guard width > 0, width.isFinite else {
            (target + 2).initializeMemory(as: UInt8.self, repeating: 0, count: 32)
            continue
        }
        roundLevels(values, times: 1 / width, into: target + 2)
    }
}

/// The largest magnitude of 32 numbers; not finite where one of them is not.
private func largestMagnitude(_ values: UnsafePointer<Float>) -> Float {
    // Magnitudes are ordered as their bits are, infinities and NaNs above all others.
    var largest: Int32 = 0
    for index in 0..<32 {
        largest = max(largest, Int32(bitPattern: values[index].magnitude.bitPattern))
    }
    return Float(bitPattern: UInt32(bitPattern: largest))
}

/// The 32 products with `factor`, rounded to integers of at most 127, ties to even.
private func roundLevels(
    _ values: UnsafePointer<Float>, times factor: Float, into bytes: UnsafeMutableRawPointer
) {
    // Numbers near 1.5 · 2^23 are spaced by 1: the addition rounds, and the low bits are the integer.
    let rounder: Float = 12_582_912
    for index in 0..<32 {
        let level = min(max(values[index] * factor, -127), 127) + rounder
        bytes.storeBytes(
            of: UInt8(truncatingIfNeeded: level.bitPattern), toByteOffset: index, as: UInt8.self)
    }
}
