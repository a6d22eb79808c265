// SPDX-License-Identifier: Apache-2.0
import KernelInterface
import Kernels
import Testing

@Suite struct NormalisationTests {
    private let epsilon: Float = 1e-5

    @Test(arguments: tableNames, oddLengths)
    func rmsNormMatchesItsDefinition(table: String, width: Int) throws {
        let kernels = try KernelTable.named(table)
        let weight = uniforms(width, in: -2...2, seed: 1)
        // Squares of the last overflow, those of the first vanish beside ε.
        for scale in [Float(1e-25), 1e-3, 1, 1e4, 1e25] {
            let row = uniforms(width, in: -scale...scale, seed: 2)
            let result = try #require(
                changed(row) { kernels.rmsNorm(row, weight, epsilon, $0, width) })
            let square = row.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(max(1, width))
            let factor = 1 / (square + Double(epsilon)).squareRoot()
            for column in 0..<width {
                let exact = Double(row[column]) * factor * Double(weight[column])
                #expect(
                    abs(Double(result[column]) - exact)
                        <= sumError(width) * abs(exact) + Double(Float.leastNormalMagnitude))
            }
        }
    }

    @Test(arguments: tableNames, oddLengths)
    func layerNormMatchesItsDefinition(table: String, width: Int) throws {
        let kernels = try KernelTable.named(table)
        let weight = uniforms(width, in: -2...2, seed: 3)
        let bias = uniforms(width, in: -2...2, seed: 4)
        for (scale, offset) in [(Float(1), Float(0)), (1e-3, 1), (1e4, 1e3), (1e25, 0)] {
            let row = uniforms(width, in: (offset - scale)...(offset + scale), seed: 5)
            let result = try #require(
                changed(row) { kernels.layerNorm(row, weight, bias, epsilon, $0, width) })
            let count = Double(max(1, width))
            let mean = row.reduce(0.0) { $0 + Double($1) } / count
            let variance =
                row.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / count
            let factor = 1 / (variance + Double(epsilon)).squareRoot()
            // The mean is a rounded sum; its error is added to every difference.
            let magnitude = row.reduce(0.0) { $0 + abs(Double($1)) } / count
            let meanError = sumError(width) * magnitude * factor
            for column in 0..<width {
                let normal = (Double(row[column]) - mean) * factor
                let bound =
                    (sumError(width) * abs(normal) + meanError * (1 + abs(normal)))
                    * abs(Double(weight[column])) + 2 * ulp * abs(Double(bias[column]))
                let exact = normal * Double(weight[column]) + Double(bias[column])
                #expect(abs(Double(result[column]) - exact) <= bound)
            }
        }
    }

    @Test(arguments: tableNames)
    func whatIsNotFiniteStaysSo(table: String) throws {
        let kernels = try KernelTable.named(table)
        for width in [1, 5, 33] {
            let ones = [Float](repeating: 1, count: width)
            for place in [0, width - 1] {
                for bad in [Float.nan, .infinity] {
                    var row = ones
                    row[place] = bad
                    let rms = changed(ones) { kernels.rmsNorm(row, ones, epsilon, $0, width) }
                    #expect(rms?[place].isNaN == true)
                    let layer = changed(ones) {
                        kernels.layerNorm(row, ones, ones, epsilon, $0, width)
                    }
                    #expect(layer?.allSatisfy(\.isNaN) == true)
                }
            }
        }
    }
}
