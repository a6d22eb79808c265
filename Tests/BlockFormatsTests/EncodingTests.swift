// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import TestSupport
import Testing

@Suite struct EncodingTests {
    /// Magnitudes from the smallest subnormal half upwards, ties, zeros, and one block of each
    /// extreme.
    private static let numbers: [Float] = {
        var random = SeededGenerator(seed: 8)
        var numbers: [Float] = []
        for exponent in -30..<18 {
            let scale = Float(sign: .plus, exponent: exponent, significand: 1)
            numbers += (0..<32).map { _ in scale * Float.random(in: -1...1, using: &random) }
        }
        // Multiples of a half: every other one is a tie.
        numbers += (0..<32).map { Float($0) - 15.5 } + [127] + [Float](repeating: 0.5, count: 31)
        numbers += [Float](repeating: 0, count: 32) + [Float](repeating: -0.0, count: 32)
        numbers += [Float](repeating: .greatestFiniteMagnitude, count: 32)
        return numbers
    }()

    @Test func levelsAreTheNearestToTheStoredScale() {
        let blocks = encoded(Self.numbers)
        for block in 0..<(Self.numbers.count / 32) {
            let values = Self.numbers[(32 * block)..<(32 * block + 32)]
            let bytes = blocks[(34 * block)..<(34 * block + 34)]
            let scale = Float(
                Float16(bitPattern: UInt16(bytes[34 * block]) | UInt16(bytes[34 * block + 1]) << 8))
            let largest = values.map(\.magnitude).max() ?? 0
            #expect(scale == Float(Float16(largest / 127)))
            let inverse = scale > 0 && scale.isFinite ? 1 / scale : 0
            let expected = values.map { value -> Int8 in
                Int8(min(max((value * inverse).rounded(.toNearestOrEven), -127), 127))
            }
            #expect(bytes.dropFirst(2).map { Int8(bitPattern: $0) } == expected)
        }
    }

    @Test(arguments: [Float.infinity, -.infinity, .nan], [0, 1, 31])
    func aNumberThatIsNotFiniteSpoilsItsScale(number: Float, place: Int) {
        var numbers = [Float](repeating: 1, count: 64)
        numbers[32 + place] = number
        let blocks = encoded(numbers)
        #expect(blocks[0..<2] != [0x00, 0x7C] && blocks[34..<36] == [0x00, 0x7C])
        #expect(blocks[36...].allSatisfy { $0 == 0 })
    }

    /// The same arithmetic as gguf-py's, so the same bytes.
    @Test func fourBitsAreThoseOfTheIndependentEncoder() throws {
        let numbers = try NPYArray(fixture: "blocks/Q4_0.unrounded.npy").floats
        let expected = try NPYArray(fixture: "blocks/Q4_0.rounded.npy").uint8s
        try #require(expected.count == BlockFormat.q4_0.byteCount(of: numbers.count))
        let blocks = [UInt8](unsafeUninitializedCapacity: expected.count) { buffer, count in
            count = buffer.count
            if let target = UnsafeMutableRawBufferPointer(buffer).baseAddress {
                encodeQ4_0(numbers, count: numbers.count, into: target)
            }
        }
        #expect(blocks.indices.first { blocks[$0] != expected[$0] } == nil)
    }

    @Test(arguments: [Float.infinity, -.infinity, .nan])
    func fourBitsOfWhatIsNotFiniteHaveNoFiniteScale(number: Float) {
        var numbers = [Float](repeating: 1, count: 32)
        numbers[7] = number
        var block = [UInt8](repeating: 0, count: 18)
        block.withUnsafeMutableBytes { target in
            if let base = target.baseAddress { encodeQ4_0(numbers, count: 32, into: base) }
        }
        #expect(block[1] & 0x7C == 0x7C)
    }

    private func encoded(_ numbers: [Float]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: numbers.count / 32 * 34) { buffer, count in
            count = buffer.count
            if let target = UnsafeMutableRawBufferPointer(buffer).baseAddress {
                encodeQ8_0(numbers, count: numbers.count, into: target)
            }
        }
    }
}
