// SPDX-License-Identifier: Apache-2.0
import KernelInterface
import Kernels
import TestSupport
import Testing

@Suite struct HalfPrecisionTests {
    /// The definition of IEEE 754: sign, 5 bits of exponent, 10 bits of fraction.
    private func value(_ half: UInt16) -> Double {
        let exponent = Int(half >> 10 & 0x1F)
        let fraction = Double(half & 0x3FF) / 1024
        let magnitude =
            switch exponent {
            case 0: fraction * 0x1p-14
            case 31: fraction == 0 ? Double.infinity : .nan
            default: (1 + fraction) * Double(sign: .plus, exponent: exponent - 15, significand: 1)
            }
        return half & 0x8000 == 0 ? magnitude : -magnitude
    }

    @Test(arguments: tableNames)
    func everyHalfWidensToItself(table: String) throws {
        let kernels = try KernelTable.named(table)
        let halves = (0...UInt16.max).map { $0 }
        let floats = try #require(
            changed([Float](repeating: 0, count: halves.count)) {
                kernels.floatsFromHalves(halves, $0, halves.count)
            })
        for (half, float) in zip(halves, floats) {
            let expected = value(half)
            #expect(expected.isNaN ? float.isNaN : Double(float) == expected)
            #expect((float.sign == .minus) == (half & 0x8000 != 0))
        }
    }

    @Test(arguments: tableNames)
    func floatsRoundToTheNearestHalf(table: String) throws {
        let kernels = try KernelTable.named(table)
        var random = SeededGenerator(seed: 1)
        // Random bits for all exponents, and exact ties.
        let floats =
            (0..<20_000).map { _ in
                Float(bitPattern: UInt32.random(in: 0...UInt32.max, using: &random))
            }
            + (0..<0x7BFF).map { Float((value($0) + value($0 + 1)) / 2) }
            + [65_519.99, 65_520, -65_520, 0x1p-25, -0x1p-25, .infinity, -.infinity, .nan]
        let halves = try #require(
            changed([UInt16](repeating: 0, count: floats.count), sentinel: 7) {
                kernels.halvesFromFloats(floats, $0, floats.count)
            })
        for (float, half) in zip(floats, halves) {
            let (exact, rounded) = (Double(float), value(half))
            if exact.isNaN || abs(exact) >= 65_520 {
                #expect(exact.isNaN ? rounded.isNaN : rounded.isInfinite)
            } else {
                let error = abs(exact - rounded)
                for neighbour in [half &- 1, half &+ 1] where value(neighbour).isFinite {
                    let other = abs(exact - value(neighbour))
                    #expect(error < other || (error == other && half % 2 == 0), "\(float)")
                }
            }
            #expect(exact.isNaN || (half & 0x8000 != 0) == (float.sign == .minus))
        }
    }

    @Test(arguments: tableNames, oddLengths)
    func lengthsDoNotMatter(table: String, length: Int) throws {
        let kernels = try KernelTable.named(table)
        let floats = uniforms(length, in: -100...100, seed: 2)
        let halves = try #require(
            changed([UInt16](repeating: 0, count: length), sentinel: 7) {
                kernels.halvesFromFloats(floats, $0, length)
            })
        let back = try #require(
            changed(floats) { kernels.floatsFromHalves(halves, $0, length) })
        for index in 0..<length {
            #expect(abs(back[index] - floats[index]) <= abs(floats[index]) * 0x1p-11)
        }
    }
}
