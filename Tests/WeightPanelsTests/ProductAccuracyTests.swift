// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import Foundation
import KernelInterface
import Kernels
import TestSupport
import Testing

/// The cost of rounding activations to bytes: products of every format against exact ones.
@Suite struct ProductAccuracyTests {
    /// The rows that models have: normally distributed, and the same with a few channels that are
    /// 30 times as large.
    enum RowKind: CaseIterable {
        case gaussian, outliers

        /// How much less accurate scales of powers of two may be than any scales.
        ///
        /// A power of two is between the best scale and its double: √(3/ln 4) = 1.47 where it is
        /// anything in between. Blocks of a row are much alike, so that a row's scale can suit most.
        var allowedRatio: Double { self == .gaussian ? 1.55 : 1.45 }
    }

    private static let inputs = 2048
    private static let rows = 256
    private static let columns = 8

    private func values(_ kind: RowKind) -> [Float] {
        var random = SeededGenerator(seed: 11)
        return (0..<(Self.rows * Self.inputs)).map { index in
            // 4 channels of 2048, in blocks of their own.
            let isOutlier = kind == .outliers && index % 512 == 77
            return (isOutlier ? 30 : 1) * random.nextGaussian()
        }
    }

    /// The scale of each block: the value of one unit of its bytes.
    private func units(_ row: ArraySlice<Float>, _ scaling: ActivationScaling) -> [Double] {
        let largest = stride(from: row.startIndex, to: row.endIndex, by: 32).map { start in
            Double(row[start..<(start + 32)].reduce(0) { max($0, abs($1)) })
        }
        guard scaling == .powerOfTwo else { return largest.map { $0 / 127 } }
        // The smallest halves, quarters, … of a reach that are not below the blocks' largest.
        let rowLargest = largest.reduce(0, max)
        let choices = [0, 0.25, 0.5, 0.75].map { (power: Double) in
            let reach = rowLargest * exp2(power)
            return largest.map { reach / exp2(log2(reach / $0).rounded(.down)) / 127 }
        }
        func variance(_ units: [Double]) -> Double { units.reduce(0) { $0 + $1 * $1 } }
        return choices.min { variance($0) < variance($1) } ?? []
    }

    /// The root-mean-square error of all products over their root mean square, and what uniformly
    /// distributed rounding errors of the activations would make it.
    private func error(
        _ sample: PackedSample, _ values: [Float], _ scaling: ActivationScaling
    ) -> (measured: Double, expected: Double) {
        let kernels = testedTables[0].panels
        let inputs = Self.inputs
        let weights = (0..<Self.columns).map { sample.row($0).map(Double.init) }
        var (power, measured, expected) = (0.0, 0.0, 0.0)
        for row in 0..<Self.rows {
            let slice = values[(row * inputs)..<((row + 1) * inputs)]
            let products = SampleTile(kernels, Array(slice), width: inputs, scaling)
                .products(kernels, sample, panel: 0, scaling)
            let units = units(slice, scaling)
            for column in 0..<Self.columns {
                let weights = weights[column]
                let exact = zip(weights, slice).reduce(0.0) { $0 + $1.0 * Double($1.1) }
                let difference = Double(products[column]) - exact
                power += exact * exact
                measured += difference * difference
                // A uniform error of at most half a unit has the variance unit²/12.
                expected += weights.indices.reduce(0.0) {
                    let unit = units[$1 / 32]
                    return $0 + weights[$1] * weights[$1] * unit * unit / 12
                }
            }
        }
        return ((measured / power).squareRoot(), (expected / power).squareRoot())
    }

    @Test(arguments: quantisedFormats, RowKind.allCases)
    func powersOfTwoCostLittle(format: BlockFormat, kind: RowKind) throws {
        let sample = try PackedSample(format, outputs: 32, inputs: Self.inputs, seed: 3)
        let values = values(kind)
        let block = error(sample, values, .perBlock)
        let power = error(sample, values, .powerOfTwo)
        // 256 rows estimate a deviation to 1/√(2 · 256) = 4.4 %, their columns having errors in common
        // where weights are not centred; 15 % is more than three of these.
        #expect(abs(block.measured / block.expected - 1) < 0.15)
        #expect(abs(power.measured / power.expected - 1) < 0.15)
        #expect(power.measured / block.measured <= kind.allowedRatio)
    }
}
