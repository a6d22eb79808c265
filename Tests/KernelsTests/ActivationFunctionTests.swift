// SPDX-License-Identifier: Apache-2.0
import KernelInterface
import Kernels
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

@Suite struct ActivationFunctionTests {
    /// Numbers that reach every branch: both tails, the middle, and zero.
    static let numbers =
        uniforms(4001, in: -40...40, seed: 1) + uniforms(4001, in: -2...2, seed: 2)
        + [0, -0.0, 1e-30, -1e-30, 100, -100, 1e38, -1e38]

    /// Within `ulps` roundings, down to the smallest normal number.
    private func isClose(_ value: Float, _ expected: Double, ulps: Double) -> Bool {
        abs(Double(value) - expected)
            <= ulps * ulp * abs(expected) + Double(Float.leastNormalMagnitude)
    }

    @Test(arguments: tableNames)
    func siluProductMatchesItsDefinition(table: String) throws {
        let kernels = try KernelTable.named(table)
        let up = uniforms(Self.numbers.count, in: -3...3, seed: 3)
        let result = try #require(
            changed(Self.numbers) { kernels.siluProduct($0, up, Self.numbers.count) })
        for (index, x) in Self.numbers.enumerated() {
            let exact = Double(x) / (1 + exp(-Double(x))) * Double(up[index])
            #expect(isClose(result[index], exact, ulps: 6), "x = \(x)")
        }
    }

    @Test(arguments: tableNames)
    func quickGELUMatchesItsDefinition(table: String) throws {
        let kernels = try KernelTable.named(table)
        let result = try #require(
            changed(Self.numbers) { kernels.quickGELU($0, Self.numbers.count) })
        for (index, x) in Self.numbers.enumerated() {
            let exact = Double(x) / (1 + exp(-1.702 * Double(x)))
            // The exponent, 1.702 x, is rounded, and so is 1.702.
            #expect(isClose(result[index], exact, ulps: 6 + 2 * abs(Double(x))), "x = \(x)")
        }
    }

    @Test(arguments: tableNames)
    func geluMatchesItsDefinition(table: String) throws {
        let kernels = try KernelTable.named(table)
        let result = try #require(changed(Self.numbers) { kernels.gelu($0, Self.numbers.count) })
        for (index, x) in Self.numbers.enumerated() {
            let exact = Double(x) * 0.5 * erfc(-Double(x) * 0.5.squareRoot())
            // 1 + erf, which is at most 2, has an error of an ulp of 1.
            #expect(abs(Double(result[index]) - exact) <= ulp * abs(Double(x)), "x = \(x)")
        }
    }

    @Test(arguments: tableNames)
    func geluTanhMatchesItsDefinition(table: String) throws {
        let kernels = try KernelTable.named(table)
        let result = try #require(
            changed(Self.numbers) { kernels.geluTanh($0, Self.numbers.count) })
        for (index, single) in Self.numbers.enumerated() {
            let x = Double(single)
            let exponent = -2 * (2 / Double.pi).squareRoot() * (x + 0.044_715 * x * x * x)
            let exact = x / (1 + exp(exponent))
            // The exponent is rounded. Where its power is infinite, the result is zero.
            let isTiny = abs(exact) <= abs(x) / Double(Float.greatestFiniteMagnitude)
            #expect(
                isClose(result[index], exact, ulps: 6 + 3 * abs(exponent))
                    || isTiny && result[index] == 0, "x = \(x)")
        }
    }

    @Test(arguments: tableNames, oddLengths)
    func lengthsDoNotMatter(table: String, length: Int) throws {
        let kernels = try KernelTable.named(table)
        let (numbers, up) = (Array(Self.numbers[..<length]), Array(Self.numbers[1..<(length + 1)]))
        for function in [kernels.gelu, kernels.geluTanh] {
            let whole = changed(numbers) { function($0, length) }
            for index in 0..<length {
                #expect(whole?[index] == changed([numbers[index]]) { function($0, 1) }?[0])
            }
        }
        let product = try #require(changed(numbers) { kernels.siluProduct($0, up, length) })
        let sum = try #require(changed(numbers) { kernels.add($0, up, length) })
        for index in 0..<length {
            let single = changed([numbers[index]]) { kernels.siluProduct($0, [up[index]], 1) }
            #expect(product[index] == single?[0])
            #expect(sum[index] == numbers[index] + up[index])
        }
    }

    @Test(arguments: tableNames)
    func whatIsNotFiniteStaysSo(table: String) throws {
        let kernels = try KernelTable.named(table)
        for length in [1, 5, 21] {
            for place in [0, length - 1] {
                var numbers = [Float](repeating: 1, count: length)
                numbers[place] = .nan
                for function in [kernels.gelu, kernels.geluTanh, kernels.quickGELU] {
                    #expect(changed(numbers) { function($0, length) }?[place].isNaN == true)
                }
                let ones = [Float](repeating: 1, count: length)
                for (gate, up) in [(numbers, ones), (ones, numbers)] {
                    let product = changed(gate) { kernels.siluProduct($0, up, length) }
                    #expect(product?[place].isNaN == true)
                }
                numbers[place] = .infinity
                for function in [kernels.gelu, kernels.geluTanh, kernels.quickGELU] {
                    #expect(changed(numbers) { function($0, length) }?[place] == .infinity)
                }
            }
        }
    }
}
