// SPDX-License-Identifier: Apache-2.0
import KernelInterface
import Kernels
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

@Suite struct SoftmaxTests {
    @Test(arguments: tableNames, oddLengths)
    func softmaxMatchesItsDefinition(table: String, length: Int) throws {
        let kernels = try KernelTable.named(table)
        for scale in [Float(1), 30] {
            let numbers = uniforms(length, in: -scale...scale, seed: UInt64(length))
            let result = try #require(changed(numbers) { kernels.softmax($0, length) })
            let largest = Double(numbers.max() ?? 0)
            let powers = numbers.map { exp(Double($0) - largest) }
            let sum = powers.reduce(0, +)
            for index in 0..<length {
                // The difference to the largest number is rounded before its power is taken.
                let bound = sumError(length) + ulp * (largest - Double(numbers[index]))
                let exact = powers[index] / sum
                #expect(abs(Double(result[index]) - exact) <= bound * exact)
            }
        }
    }

    /// Beside a zero, a number below -17 becomes its own exponential: the sum rounds to 1.
    @Test(arguments: tableNames)
    func exponentialsAreAccurate(table: String) throws {
        let kernels = try KernelTable.named(table)
        for step in 0..<7001 {
            let x = -87 + Float(step) * 0.01
            let result = try #require(changed([0, x]) { kernels.softmax($0, 2) })
            let exact = exp(Double(x))
            #expect(abs(Double(result[1]) - exact) <= 1.5 * ulp * exact, "x = \(x)")
        }
        for (x, power) in [(Float(-90), exp(-90.0)), (-103, exp(-103.0)), (-106, 0), (-1e30, 0)] {
            let result = try #require(changed([0, x]) { kernels.softmax($0, 2) })
            #expect(abs(Double(result[1]) - power) <= Double(Float.leastNonzeroMagnitude))
        }
    }

    @Test(arguments: tableNames)
    func extremeNumbers(table: String) throws {
        let kernels = try KernelTable.named(table)
        let result = changed([3e38, -3e38, -.infinity, 3e38]) { kernels.softmax($0, 4) }
        #expect(result == [0.5, 0, 0, 0.5])
        for length in [1, 3, 16, 37] {
            for place in [0, length / 2, length - 1] {
                for bad in [Float.nan, .infinity] {
                    var numbers = [Float](repeating: 1, count: length)
                    numbers[place] = bad
                    let spoilt = try #require(changed(numbers) { kernels.softmax($0, length) })
                    #expect(spoilt[place].isNaN)
                    #expect(bad.isInfinite || spoilt.allSatisfy(\.isNaN))
                }
            }
        }
        let nothing = [Float](repeating: -.infinity, count: 5)
        #expect(changed(nothing) { kernels.softmax($0, 5) }?.allSatisfy(\.isNaN) == true)
    }
}
