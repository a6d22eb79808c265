// SPDX-License-Identifier: Apache-2.0
import BlockFormats

extension BlockFormat {
    /// Encoded random elements of about the given standard deviation, all finite.
    ///
    /// All bits of a quantised block but its scales are random, so every path of a decoder runs.
    public func randomBlocks(
        count: Int, deviation: Float, using random: inout SeededGenerator
    ) -> [UInt8] {
        guard blockLength > 1 else {
            return (0..<count).flatMap { _ in encoded(deviation * random.nextGaussian()) }
        }
        var bytes = (0..<byteCount(of: count)).map { _ in UInt8.random(in: 0...255, using: &random)
        }
        setScales(of: &bytes, to: 1)
        let elements = decoded(bytes)
        let power = elements.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(max(1, count))
        setScales(of: &bytes, to: deviation / Float(power.squareRoot()))
        return bytes
    }

    /// The elements of whole blocks.
    public func decoded(_ bytes: [UInt8]) -> [Float] {
        let count = bytes.count / blockBytes * blockLength
        return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            bytes.withUnsafeBytes { source in
                if let source = source.baseAddress, let destination = buffer.baseAddress {
                    decode(source, count: count, into: destination)
                }
            }
            initialized = count
        }
    }

    /// One element of a float format, cut to its precision.
    private func encoded(_ value: Float) -> [UInt8] {
        switch self {
        case .f16: littleEndianBytes(truncatedHalf(value))
        case .bf16: littleEndianBytes(UInt16(value.bitPattern >> 16))
        default: littleEndianBytes(value.bitPattern)
        }
    }

    /// Writes the scales that multiply a whole block.
    private func setScales(of bytes: inout [UInt8], to scale: Float) {
        for block in stride(from: 0, to: bytes.count, by: blockBytes) {
            switch self {
            case .mxfp4: bytes[block] = UInt8(truncatingIfNeeded: scale.bitPattern >> 23)
            case .nvfp4:
                for (group, factor) in [1, 0.5, 2, 1.25].enumerated() {
                    bytes[block + group] = truncatedUE4M3(scale * Float(factor))
                }
            default: setHalfScales(of: &bytes, at: block, to: truncatedHalf(scale))
            }
        }
    }

    /// Writes the bits of a half-precision number to all places of one block that hold one.
    public func setHalfScales(of bytes: inout [UInt8], at block: Int, to half: UInt16) {
        for offset in scaleOffsets {
            bytes.replaceSubrange(
                block + offset..<block + offset + 2, with: littleEndianBytes(half))
        }
        guard self == .iq1_m else { return }
        // The upper nibbles of the last four words.
        for word in 0..<4 {
            let nibble = UInt8(truncatingIfNeeded: half >> (4 * UInt16(word)) & 15)
            let place = block + 49 + 2 * word
            bytes[place] = bytes[place] & 15 | nibble << 4
        }
    }

    /// Where a block has half-precision scales (ggml's `ggml-common.h`).
    private var scaleOffsets: [Int] {
        switch self {
        case .f32, .f16, .bf16, .mxfp4, .nvfp4, .iq1_m: []
        case .q4_0, .q5_0, .q8_0, .iq4_nl, .iq4_xs, .q1_0, .q2_0: [0]
        case .iq1_s, .iq2_xxs, .iq2_xs, .iq2_s, .iq3_xxs, .iq3_s: [0]
        case .tq1_0: [52]
        case .tq2_0: [64]
        case .q4_1, .q5_1, .q4_K, .q5_K: [0, 2]
        case .q2_K: [80, 82]
        case .q3_K: [108]
        case .q6_K: [208]
        }
    }
}

/// The bits of a half-precision number, its mantissa cut off.
private func truncatedHalf(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    let sign = UInt16(bits >> 16 & 0x8000)
    let exponent = Int(bits >> 23 & 0xFF) - 127 + 15
    precondition(exponent < 31, "\(value) is too large for half precision")
    // Subnormal numbers count in steps of 2⁻²⁴.
    guard exponent > 0 else { return sign | UInt16(value.magnitude * 0x1p24) }
    return sign | UInt16(exponent) << 10 | UInt16(bits >> 13 & 0x3FF)
}

/// The bits of a positive number of four exponent and three fraction bits, the others cut off.
private func truncatedUE4M3(_ value: Float) -> UInt8 {
    let exponent = Int(value.bitPattern >> 23) - 127 + 7
    precondition(exponent < 15, "\(value) is too large for UE4M3")
    guard exponent > 0 else { return UInt8(value * 0x1p9) }
    return UInt8(exponent) << 3 | UInt8(truncatingIfNeeded: value.bitPattern >> 20 & 7)
}

extension SeededGenerator {
    /// A number of mean 0 and variance 1, nearly normally distributed.
    public mutating func nextGaussian() -> Float {
        // The sum of twelve uniform numbers has variance 1.
        (0..<12).reduce(Float(-6)) { sum, _ in sum + Float.random(in: 0..<1, using: &self) }
    }
}
