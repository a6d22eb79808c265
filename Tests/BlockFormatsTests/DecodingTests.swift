// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import TestSupport
import Testing

@Suite struct DecodingTests {
    /// All formats do gguf-py's float operations in its order, so nothing but the payload of a NaN may
    /// differ.
    @Test(arguments: BlockFormat.allCases)
    func equalsTheIndependentDecoderBitForBit(format: BlockFormat) throws {
        let blocks = try NPYArray(fixture: "blocks/\(format.name).blocks.npy").uint8s
        let expected = try NPYArray(fixture: "blocks/\(format.name).floats.npy").floats
        try #require(blocks.count == format.byteCount(of: expected.count))
        let decoded = decode(format, blocks, count: expected.count)
        let firstDifference = expected.indices.first { !same(decoded[$0], expected[$0]) }
        #expect(firstDifference == nil)
        #expect(decoded.count == expected.count)
    }

    /// Blocks that name every entry of their grid once, under a scale of one.
    @Test(arguments: [
        (BlockFormat.iq1_s, Float(0.125)), (.iq2_xxs, 0.125), (.iq2_xs, 0.125), (.iq2_s, 0.125),
        (.iq3_xxs, 0.25), (.iq3_s, 1),
    ])
    func gridsAreThoseOfTheIndependentDecoder(format: BlockFormat, unit: Float) throws {
        let blocks = try NPYArray(fixture: "blocks/\(format.name).entries.npy").uint8s
        let levels = try NPYArray(fixture: "blocks/\(format.name).levels.npy").uint8s
        let decoded = decode(format, blocks, count: levels.count)
        #expect(decoded == levels.map { unit * (Float($0) - 64) })
    }

    @Test(arguments: BlockFormat.allCases)
    func decodesAtAnyAlignment(format: BlockFormat) throws {
        let blocks = try NPYArray(fixture: "blocks/\(format.name).blocks.npy").uint8s
        let count = 2 * format.blockLength
        let expected = decode(format, blocks, count: count)
        for shift in 1...8 {
            let shifted = [UInt8](repeating: 0xA5, count: shift) + blocks
            let decoded = shifted.withUnsafeBytes { decode(format, $0, from: shift, count: count) }
            #expect(zip(decoded, expected).allSatisfy(same))
        }
    }

    @Test(arguments: BlockFormat.allCases, [0, 1, 2, 3])
    func writesExactlyItsElements(format: BlockFormat, blockCount: Int) throws {
        let blocks = try NPYArray(fixture: "blocks/\(format.name).blocks.npy").uint8s
        let count = blockCount * format.blockLength
        let canary = Float(bitPattern: 0x1234_5678)
        var output = [Float](repeating: canary, count: count + 2)
        blocks.withUnsafeBytes { source in
            output.withUnsafeMutableBufferPointer { destination in
                guard let source = source.baseAddress, let start = destination.baseAddress else {
                    return
                }
                format.decode(source, count: count, into: start + 1)
            }
        }
        #expect(output.first == canary && output.last == canary)
        #expect(zip(output.dropFirst(), decode(format, blocks, count: count)).allSatisfy(same))
    }

    @Test func blockSizesAreThoseOfGGML() {
        // Type number, elements and bytes of a block, as gguf-py's GGML_QUANT_SIZES has them.
        let sizes: [(UInt32, Int, Int)] = [
            (0, 1, 4), (1, 1, 2), (2, 32, 18), (3, 32, 20), (6, 32, 22), (7, 32, 24), (8, 32, 34),
            (10, 256, 84), (11, 256, 110), (12, 256, 144), (13, 256, 176), (14, 256, 210),
            (16, 256, 66), (17, 256, 74), (18, 256, 98), (19, 256, 50), (20, 32, 18),
            (21, 256, 110),
            (22, 256, 82), (23, 256, 136), (29, 256, 56), (30, 1, 2), (34, 256, 54), (35, 256, 66),
            (39, 32, 17), (40, 64, 36), (41, 128, 18), (42, 64, 18),
        ]
        #expect(BlockFormat.allCases.map(\.rawValue) == sizes.map(\.0))
        #expect(BlockFormat.allCases.map(\.blockLength) == sizes.map(\.1))
        #expect(BlockFormat.allCases.map(\.blockBytes) == sizes.map(\.2))
        #expect(BlockFormat.iq4_xs.name == "IQ4_XS")
    }

    #if !(os(macOS) && arch(x86_64))
        @Test func widensEveryHalfPrecisionNumber() {
            let patterns = Array(UInt16.min...UInt16.max)
            let decoded = decode(.f16, patterns.flatMap { littleEndianBytes($0) }, count: 65536)
            let difference = patterns.first {
                !same(decoded[Int($0)], Float(Float16(bitPattern: $0)))
            }
            #expect(difference == nil)
        }
    #endif

    @Test func widensEveryBfloat16Number() {
        let patterns = Array(UInt16.min...UInt16.max)
        let decoded = decode(.bf16, patterns.flatMap { littleEndianBytes($0) }, count: 65536)
        let difference = patterns.first { decoded[Int($0)].bitPattern != UInt32($0) << 16 }
        #expect(difference == nil)
    }
}

/// The same bits, or NaN both.
private func same(_ left: Float, _ right: Float) -> Bool {
    left.bitPattern == right.bitPattern || (left.isNaN && right.isNaN)
}

private func decode(_ format: BlockFormat, _ bytes: [UInt8], count: Int) -> [Float] {
    bytes.withUnsafeBytes { decode(format, $0, from: 0, count: count) }
}

private func decode(
    _ format: BlockFormat, _ bytes: UnsafeRawBufferPointer, from offset: Int, count: Int
) -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { output, initialised in
        if let source = bytes.baseAddress, let destination = output.baseAddress {
            format.decode(source + offset, count: count, into: destination)
        }
        initialised = count
    }
}
