// SPDX-License-Identifier: Apache-2.0
import CVectorOps

/// Rounds numbers to blocks of Q8_0: the nearest multiples of a 127th of each block's largest magnitude.
///
/// - Parameters:
///   - count: a multiple of 32.
///   - destination: room for `BlockFormat.q8_0.byteCount(of: count)` bytes.
///
/// Non-finite numbers yield a non-finite scale.
public func encodeQ8_0(
    _ source: UnsafePointer<Float>, count: Int, into destination: UnsafeMutableRawPointer
) {
    precondition(count % 32 == 0)
    for block in 0..<(count / 32) {
        let values = source + 32 &* block
        let target = destination + 34 &* block
        let largest = largestMagnitude(values)
        let scale = halves_from_floats(
            FloatVector(repeating: largest.isFinite ? largest / 127 : .infinity))[0]
        target.storeBytes(of: scale.littleEndian, as: UInt16.self)
        let width = float_from_half(scale)
        guard width > 0, width.isFinite else {
            (target + 2).initializeMemory(as: UInt8.self, repeating: 0, count: 32)
            continue
        }
        // Rounding moves a normal scale by at most one part in 2^11, so no product rounds to more
        // than 127.
        roundLevels(
            values, times: 1 / width, exceeds: scale < leastNormalHalf, into: target + 2)
    }
}

/// The bits of the smallest half-precision number of full precision.
private let leastNormalHalf: UInt16 = 0x0400

/// The largest magnitude of 32 numbers, or a non-finite number if any of them is non-finite.
@inline(__always)
private func largestMagnitude(_ values: UnsafePointer<Float>) -> Float {
    // Magnitudes are ordered as their bits are, infinities and NaNs above all others.
    var largest = IntVector(repeating: 0)
    for first in stride(from: 0, to: 32, by: lane_count) {
        let bits = UnsafeRawPointer(values + first).loadUnaligned(as: IntVector.self)
        largest = larger_int(largest, bits & IntVector(repeating: 0x7FFF_FFFF))
    }
    return Float(bitPattern: UInt32(bitPattern: int_max(largest)))
}

/// The 32 products with `factor`, rounded to integers of at most 127, ties to even.
///
/// - Parameter exceeds: whether products may round to more than 127.
@inline(__always)
private func roundLevels(
    _ values: UnsafePointer<Float>, times factor: Float, exceeds: Bool,
    into bytes: UnsafeMutableRawPointer
) {
    guard exceeds else {
        for first in stride(from: 0, to: 32, by: 16) {
            store_rounded(values + first, factor, bytes + first)
        }
        return
    }
    for index in 0..<32 {
        let level = min(max(values[index] * factor, -127), 127) + 12_582_912
        bytes.storeBytes(
            of: UInt8(truncatingIfNeeded: level.bitPattern), toByteOffset: index, as: UInt8.self)
    }
}
