// SPDX-License-Identifier: Apache-2.0
import KernelInterface
import Kernels
import Testing

@Suite struct RotationTests {
    @Test(arguments: tableNames, oddLengths)
    func pairsTurnByTheirAngles(table: String, pairs: Int) throws {
        let kernels = try KernelTable.named(table)
        let head = uniforms(2 * pairs, in: -3...3, seed: 1)
        let cosines = uniforms(pairs, in: -1...1, seed: 2)
        let sines = uniforms(pairs, in: -1...1, seed: 3)
        let adjacent = try #require(
            changed(head) { kernels.rotateAdjacentPairs($0, cosines, sines, pairs) })
        let halves = try #require(
            changed(head) { kernels.rotateHalves($0, cosines, sines, pairs) })
        for pair in 0..<pairs {
            for (result, first, second) in [
                (adjacent, 2 * pair, 2 * pair + 1), (halves, pair, pair + pairs),
            ] {
                let (x, y) = (Double(head[first]), Double(head[second]))
                let (cosine, sine) = (Double(cosines[pair]), Double(sines[pair]))
                let bound = ulp * (abs(x) + abs(y))
                #expect(abs(Double(result[first]) - (x * cosine - y * sine)) <= bound)
                #expect(abs(Double(result[second]) - (x * sine + y * cosine)) <= bound)
            }
        }
    }

    @Test(arguments: tableNames)
    func onlyThePairOfANaNIsSpoilt(table: String) throws {
        let kernels = try KernelTable.named(table)
        let ones = [Float](repeating: 1, count: 20)
        for place in [0, 7, 19, 20, 39] {
            var head = ones + ones
            head[place] = .nan
            let adjacent = try #require(
                changed(head) { kernels.rotateAdjacentPairs($0, ones, ones, 20) })
            let halves = try #require(changed(head) { kernels.rotateHalves($0, ones, ones, 20) })
            for index in 0..<40 {
                #expect(adjacent[index].isNaN == (index / 2 == place / 2))
                #expect(halves[index].isNaN == (index % 20 == place % 20))
            }
        }
    }
}
