// SPDX-License-Identifier: Apache-2.0
import CVectorOps

/// Rounds numbers to blocks of Q4_0 as ggml's reference does: the scale is an eighth of the number of the
/// largest magnitude, which becomes -8.
///
/// - Parameters:
///   - count: a multiple of 32.
///   - destination: room for `BlockFormat.q4_0.byteCount(of: count)` bytes.
///
/// Non-finite numbers yield a non-finite scale. Products are rounded before 8.5 is added, as in
/// gguf-py; ggml does so where its compiler fuses no multiply-add.
public func encodeQ4_0(
    _ source: UnsafePointer<Float>, count: Int, into destination: UnsafeMutableRawPointer
) {
    precondition(count % 32 == 0)
    for block in 0..<(count / 32) {
        let values = source + 32 &* block
        let target = destination + 18 &* block
        let scale = extreme(values) / -8
        target.storeBytes(of: half_from_float(scale).littleEndian, as: UInt16.self)
        let inverse = scale != 0 && scale.isFinite ? 1 / scale : 0
        for index in 0..<16 {
            let low = level(values[index], inverse)
            let high = level(values[index &+ 16], inverse)
            target.storeBytes(of: low | high &<< 4, toByteOffset: 2 &+ index, as: UInt8.self)
        }
    }
}

/// The first of 32 numbers that has the largest magnitude, or infinity if any is non-finite.
private func extreme(_ values: UnsafePointer<Float>) -> Float {
    var extreme = values[0]
    for index in 0..<32 {
        guard values[index].isFinite else { return .infinity }
        if values[index].magnitude > extreme.magnitude { extreme = values[index] }
    }
    return extreme
}

private func level(_ value: Float, _ inverse: Float) -> UInt8 {
    let level = value * inverse + 8.5
    // Where the inverse of a tiny scale is infinite, zeros yield NaN.
    return level >= 0 ? UInt8(min(level, 15)) : 0
}
