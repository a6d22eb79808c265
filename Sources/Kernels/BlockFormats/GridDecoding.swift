// SPDX-License-Identifier: Apache-2.0
import CVectorOps

// Superblocks of 256 elements whose magnitudes come from a grid: scale · (2 · s + 1) · level[code].

/// Eighths: a number from -1 to 1 plus an eighth, or minus one.
private let iq1Levels: SIMD16<Float> = [-7, 1, 9, 0, -9, -1, 7, 0, -7, 1, 9, 0, -9, -1, 7, 0]

private let iq2Levels: SIMD16<Float> = [
    8, 25, 43, 0, -8, -25, -43, 0, 8, 25, 43, 0, -8, -25, -43, 0,
]

private let iq3_XXSLevels: SIMD16<Float> = [
    4, 12, 20, 28, 36, 44, 52, 62, -4, -12, -20, -28, -36, -44, -52, -62,
]

private let iq3_SLevels: SIMD16<Float> = [
    1, 3, 5, 7, 9, 11, 13, 15, -1, -3, -5, -7, -9, -11, -13, -15,
]

@inline(__always)
func decodeIQ1_S(_ block: UnsafeRawPointer, _ output: UnsafeMutablePointer<Float>) {
    decodeGrid(output, unit: 0.125, iq1Levels, groups: 16) { $0.takeIQ1_S(block) }
}

@inline(__always)
func decodeIQ1_M(_ block: UnsafeRawPointer, _ output: UnsafeMutablePointer<Float>) {
    decodeGrid(output, unit: 0.125, iq1Levels, groups: 16) { $0.takeIQ1_M(block) }
}

@inline(__always)
func decodeIQ2_XXS(_ block: UnsafeRawPointer, _ output: UnsafeMutablePointer<Float>) {
    decodeGrid(output, unit: 0.125, iq2Levels, groups: 16) { $0.takeIQ2_XXS(block) }
}

@inline(__always)
func decodeIQ2_XS(_ block: UnsafeRawPointer, _ output: UnsafeMutablePointer<Float>) {
    decodeGrid(output, unit: 0.125, iq2Levels, groups: 16) { $0.takeIQ2_XS(block) }
}

@inline(__always)
func decodeIQ2_S(_ block: UnsafeRawPointer, _ output: UnsafeMutablePointer<Float>) {
    decodeGrid(output, unit: 0.125, iq2Levels, groups: 16) { $0.takeIQ2_S(block) }
}

@inline(__always)
func decodeIQ3_XXS(_ block: UnsafeRawPointer, _ output: UnsafeMutablePointer<Float>) {
    decodeGrid(output, unit: 0.25, iq3_XXSLevels, groups: 8) { $0.takeIQ3_XXS(block) }
}

@inline(__always)
func decodeIQ3_S(_ block: UnsafeRawPointer, _ output: UnsafeMutablePointer<Float>) {
    decodeGrid(output, unit: 1, iq3_SLevels, groups: 8) { $0.takeIQ3_S(block) }
}

/// Decodes a superblock that `take` takes apart.
///
/// No product rounds: a half has 11 bits, 2 · s + 1 at most 5 and a level at most 6.
@inline(__always)
private func decodeGrid(
    _ output: UnsafeMutablePointer<Float>, unit: Float, _ levels: SIMD16<Float>, groups: Int,
    _ take: (GridBlock) -> UInt16
) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 256 + 16) { buffer in
        let codes = buffer.baseAddress.unsafelyUnwrapped
        let block = GridBlock(codes: codes, scales: codes + 256)
        let scale = float_from_half(take(block))
        let length = 256 / groups
        for group in 0..<groups {
            let groupScale = scale * Float(2 &* Int32(block.scales[group]) &+ 1) * unit
            withUnsafeBytes(of: levels * groupScale) { table in
                for index in (group &* length)..<(group &* length &+ length) {
                    output[index] = table.load(
                        fromByteOffset: Int(codes[index]) &* 4, as: Float.self)
                }
            }
        }
    }
}
