// SPDX-License-Identifier: Apache-2.0
import KernelInterface
import Kernels
import TestSupport
import Testing

@testable import TensorOps

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

@Suite struct ElementwiseTests {
    /// A few roundings of a number of this size.
    private func isClose(_ value: Float, _ expected: Double) -> Bool {
        abs(Double(value) - expected) <= 8 * Double(Float.ulpOfOne) * max(1, abs(expected))
    }

    @Test(arguments: [1, 2, 31, 257], [1, 5, 64])
    func normsMatchTheirDefinitions(width: Int, rows: Int) {
        let input = gaussians(rows * width, seed: 1)
        let (weight, bias) = (gaussians(width, seed: 2), gaussians(width, seed: 3))
        let activations = Activations(input, width: width)
        let rms = testOps.rmsNorm(activations, weight: weight, epsilon: 1e-5)
        let layer = testOps.layerNorm(
            activations, LayerNorm(weight: weight, bias: bias), epsilon: 1e-5)
        for row in 0..<rows {
            let numbers = input[(row * width)..<((row + 1) * width)].map(Double.init)
            let mean = numbers.reduce(0, +) / Double(width)
            let square = numbers.reduce(0) { $0 + $1 * $1 } / Double(width)
            let variance = numbers.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
            for column in 0..<width {
                let factor = Double(weight[column])
                #expect(
                    isClose(
                        rms.row(row)[column],
                        numbers[column] / (square + 1e-5).squareRoot() * factor))
                #expect(
                    isClose(
                        layer.row(row)[column],
                        (numbers[column] - mean) / (variance + 1e-5).squareRoot() * factor
                            + Double(bias[column])))
            }
        }
    }

    @Test func activationFunctionsMatchTheirDefinitions() {
        let input: [Float] =
            stride(from: -12, through: 12, by: 0.37).map { $0 } + [0, -0.0, 88, -88]
        func applied(_ function: FeedForwardActivation) -> [Float] {
            let values = Activations(input, width: input.count)
            testOps.apply(function, to: values)
            return values.array
        }
        let (quick, exact, tanhs) = (applied(.quickGELU), applied(.gelu), applied(.geluTanh))
        let gate = Activations(input, width: input.count)
        let up = Activations(input.map { $0 + 1 }, width: input.count)
        testOps.multiplySiLU(gate, by: up)
        for (index, single) in input.enumerated() {
            let x = Double(single)
            #expect(isClose(quick[index], x / (1 + exp(-1.702 * x))))
            #expect(isClose(exact[index], x / 2 * (1 + erf(x / 2.0.squareRoot()))))
            let t = (2 / Double.pi).squareRoot() * (x + 0.044_715 * pow(x, 3))
            #expect(isClose(tanhs[index], x / 2 * (1 + tanh(t))))
            #expect(isClose(gate.values[index], x / (1 + exp(-x)) * Double(single + 1)))
        }
    }

    @Test(arguments: [RotaryEmbedding.Pairing.adjacent, .halves])
    func rotationMatchesTheDefinition(pairing: RotaryEmbedding.Pairing) {
        let (headWidth, heads, rotated) = (8, 3, pairing == .adjacent ? 8 : 6)
        let positions: [Position] = [
            0, 1, Position(time: 3, row: 17, column: 9), 4095,
        ]
        let axes: [Position.Axis] = [.time, .row, .column, .row]
        let input = gaussians(positions.count * heads * headWidth, seed: 4)
        let rotary = RotaryEmbedding(
            pairing: pairing, rotatedWidth: rotated, base: 10_000,
            divisors: (0..<(rotated / 2)).map { 1 + Float($0) }, magnitude: 1.25,
            axes: Array(axes.prefix(rotated / 2)))
        let angles = rotary.angles(at: positions)
        let result = Activations(input, width: heads * headWidth)
        testOps.rotate(
            result, headWidth: headWidth, pairing, angles)
        for (row, position) in positions.enumerated() {
            for head in 0..<heads {
                let start = row * heads * headWidth + head * headWidth
                for pair in 0..<(rotated / 2) {
                    let frequency = pow(10_000, -2 * Double(pair) / Double(rotated))
                    let place = [position.time, position.row, position.column, position.row][pair]
                    let angle = Double(place) * frequency / Double(pair + 1)
                    let (first, second) =
                        pairing == .adjacent
                        ? (2 * pair, 2 * pair + 1) : (pair, pair + rotated / 2)
                    let (x, y) = (Double(input[start + first]), Double(input[start + second]))
                    // The angle itself is rounded to 32 bits.
                    let bound = (angle + 8) * Double(Float.ulpOfOne) * 1.25 * (abs(x) + abs(y))
                    let turned = 1.25 * (x * cos(angle) - y * sin(angle))
                    let other = 1.25 * (x * sin(angle) + y * cos(angle))
                    #expect(abs(Double(result.values[start + first]) - turned) <= bound)
                    #expect(abs(Double(result.values[start + second]) - other) <= bound)
                }
                for index in rotated..<headWidth where rotated < headWidth {
                    #expect(result.values[start + index] == input[start + index])
                }
            }
        }
    }

    /// Also by the fastest kernels, which normalise in place.
    @Test func headsAreNormalisedBeforeTheyAreRotated() throws {
        let (headWidth, positions) = (20, [0, 3, 7, 40] as [Position])
        let input = gaussians(positions.count * 3 * headWidth, seed: 5)
        let norm = HeadNorm(weight: gaussians(headWidth, seed: 6), epsilon: 1e-5)
        let angles = RotaryEmbedding(pairing: .halves, rotatedWidth: headWidth, base: 10_000)
            .angles(at: positions)
        for kernels in try [KernelTable.reference, .named(nil)] {
            let ops = TensorOps(kernels: kernels, pool: testOps.pool)
            let together = Activations(input, width: 3 * headWidth)
            ops.rotate(together, headWidth: headWidth, .halves, angles, after: norm)
            let heads = ops.rmsNorm(
                Activations(input, width: headWidth), weight: norm.weight, epsilon: norm.epsilon)
            let apart = Activations(heads.array, width: 3 * headWidth)
            ops.rotate(apart, headWidth: headWidth, .halves, angles)
            #expect(together.array == apart.array, "\(kernels.name)")
        }
    }

    @Test func columnsAreAddedToTheirRows() throws {
        let input = gaussians(5 * 7, seed: 7)
        let addends = Activations(gaussians(4 * 14, seed: 8), width: 14)
        let target = Activations(input, width: 7)
        testOps.add(addends, columns: 7..<14, to: target, rows: [3, 0])
        for row in 0..<5 {
            for column in 0..<7 {
                let addend = [3: 0, 0: 1][row].map { addends.row($0)[7 + column] } ?? 0
                #expect(target.row(row)[column] == input[row * 7 + column] + addend)
            }
        }
        let first = try testOps.gather([2, 0], of: addends, width: 3)
        #expect(first.array == Array(addends.array[28..<31]) + addends.array[..<3])
    }

    @Test(arguments: [1, 15, 16, 17, 100])
    func finitenessSeesEveryNumber(count: Int) {
        let numbers = gaussians(count, seed: 5)
        #expect(Activations(numbers, width: count).isFinite)
        for index in 0..<count {
            for bad in [Float.nan, .infinity, -.infinity] {
                var damaged = numbers
                damaged[index] = bad
                #expect(!Activations(damaged, width: count).isFinite)
            }
        }
    }

    @Test func halfPrecisionRoundsToNearestEven() {
        let table: [(Float, UInt16)] = [
            (0, 0), (-0.0, 0x8000), (1, 0x3C00), (65504, 0x7BFF), (65536, 0x7C00),
            (-.infinity, 0xFC00), (5.960_464_5e-8, 0x0001), (6.103_515_6e-5, 0x0400),
            (1.000_488_3, 0x3C00), (1.001_464_8, 0x3C02),
        ]
        var halves = [UInt16](repeating: 0, count: table.count)
        testOps.kernels.halvesFromFloats(table.map(\.0), &halves, table.count)
        #expect(halves == table.map(\.1))

        // Every half, widened and rounded again, is itself; NaNs stay NaNs.
        let all = (0...UInt16.max).map { $0 }
        var widened = [Float](repeating: 0, count: all.count)
        testOps.kernels.floatsFromHalves(all, &widened, all.count)
        var rounded = [UInt16](repeating: 0, count: all.count)
        testOps.kernels.halvesFromFloats(widened, &rounded, all.count)
        for (half, (value, again)) in zip(all, zip(widened, rounded)) {
            let isNaN = half & 0x7C00 == 0x7C00 && half & 0x03FF != 0
            #expect(isNaN ? value.isNaN : again == half)
        }
    }
}
