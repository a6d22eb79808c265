// SPDX-License-Identifier: Apache-2.0
import CVectorOps

extension BlockFormat {
    /// Decodes `count` consecutive elements to Float, exactly as ggml's reference does.
    ///
    /// - Parameters:
    ///   - source: `byteCount(of: count)` bytes, at any alignment.
    ///   - count: A multiple of `blockLength`.
    ///   - destination: Room for `count` numbers, not overlapping the source.
    ///
    /// Every bit pattern decodes: an infinite or NaN scale yields infinite or NaN elements.
    public func decode(
        _ source: UnsafeRawPointer, count: Int, into destination: UnsafeMutablePointer<Float>
    ) {
        precondition(
            count >= 0 && count % blockLength == 0, "\(count) elements do not fill \(name) blocks")
        let blocks = BlockRun(
            source: source, destination: destination, count: count / blockLength,
            bytes: blockBytes, length: blockLength)
        switch self {
        case .f32: decodeF32(source, count: count, into: destination)
        case .f16: decodeF16(source, count: count, into: destination)
        case .bf16: decodeBF16(source, count: count, into: destination)
        case .q4_0: blocks.forEach(decodeQ4_0)
        case .q4_1: blocks.forEach(decodeQ4_1)
        case .q5_0: blocks.forEach(decodeQ5_0)
        case .q5_1: blocks.forEach(decodeQ5_1)
        case .q8_0: blocks.forEach(decodeQ8_0)
        case .q2_K: blocks.forEach(decodeQ2_K)
        case .q3_K: blocks.forEach(decodeQ3_K)
        case .q4_K: blocks.forEach(decodeQ4_K)
        case .q5_K: blocks.forEach(decodeQ5_K)
        case .q6_K: blocks.forEach(decodeQ6_K)
        case .iq4_nl: blocks.forEach(decodeIQ4_NL)
        case .iq4_xs: blocks.forEach(decodeIQ4_XS)
        case .mxfp4: blocks.forEach(decodeMXFP4)
        case .nvfp4: blocks.forEach(decodeNVFP4)
        case .iq1_s: blocks.forEach(decodeIQ1_S)
        case .iq1_m: blocks.forEach(decodeIQ1_M)
        case .iq2_xxs: blocks.forEach(decodeIQ2_XXS)
        case .iq2_xs: blocks.forEach(decodeIQ2_XS)
        case .iq2_s: blocks.forEach(decodeIQ2_S)
        case .iq3_xxs: blocks.forEach(decodeIQ3_XXS)
        case .iq3_s: blocks.forEach(decodeIQ3_S)
        case .tq1_0: blocks.forEach(decodeTQ1_0)
        case .tq2_0: blocks.forEach(decodeTQ2_0)
        case .q1_0: blocks.forEach(decodeQ1_0)
        case .q2_0: blocks.forEach(decodeQ2_0)
        }
    }
}

/// Consecutive blocks and the place of their elements.
private struct BlockRun {
    let source: UnsafeRawPointer
    let destination: UnsafeMutablePointer<Float>
    let count: Int
    let bytes: Int
    let length: Int

    /// Calls `decode` with every block and the place of its first element.
    ///
    /// Never inlined: the optimiser makes a copy for each decoder and vectorises it. With all of them
    /// inlined into one function it does not, and decoding takes two to ten times as long.
    @inline(never)
    func forEach(_ decode: (UnsafeRawPointer, UnsafeMutablePointer<Float>) -> Void) {
        for index in 0..<count {
            decode(source + index &* bytes, destination + index &* length)
        }
    }
}

extension UnsafeRawPointer {
    /// The half-precision number at a byte offset.
    @inline(__always)
    func half(at offset: Int) -> Float { float_from_half(bits16(at: offset)) }

    /// The 16 bits at a byte offset.
    @inline(__always)
    func bits16(at offset: Int) -> UInt16 {
        UInt16(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }

    /// The 32 bits at a byte offset.
    @inline(__always)
    func bits32(at offset: Int) -> UInt32 {
        UInt32(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    /// The byte at an offset, widened so that shifts and masks of it are 32-bit lanes.
    @inline(__always)
    func byte(at offset: Int) -> Int32 {
        Int32(truncatingIfNeeded: load(fromByteOffset: offset, as: UInt8.self))
    }

    /// The signed byte at an offset.
    @inline(__always)
    func signedByte(at offset: Int) -> Int32 {
        Int32(truncatingIfNeeded: load(fromByteOffset: offset, as: Int8.self))
    }
}

/// A shift of `byte(at:)` values, in their width.
@inline(__always)
func shiftCount(_ bits: Int) -> Int32 {
    Int32(truncatingIfNeeded: bits)
}
