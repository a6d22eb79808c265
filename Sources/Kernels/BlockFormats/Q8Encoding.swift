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
        var largest: Float = 0
        var isFinite = true
        for index in 0..<32 {
            largest = max(largest, abs(values[index]))
            isFinite = isFinite && values[index].isFinite
        }
        let scale = half_from_float(isFinite ? largest / 127 : .infinity)
        target.storeBytes(of: scale, as: UInt16.self)
        let width = float_from_half(scale)
        let inverse = width > 0 && width.isFinite ? 1 / width : 0
        for index in 0..<32 {
            let level = (values[index] * inverse).rounded(.toNearestOrEven)
            let bounded = min(max(level.isNaN ? 0 : level, -127), 127)
            target.storeBytes(of: Int8(bounded), toByteOffset: 2 &+ index, as: Int8.self)
        }
    }
}
