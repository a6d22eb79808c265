// SPDX-License-Identifier: Apache-2.0
import Foundation
import TensorOps
import TestSupport
import Testing
import TokenPruning

@Suite("Merging dropped tokens")
struct TokenMergingTests {
    /// The plain formula in double precision.
    private func expected(
        _ rows: [[Double]], kept: [Int], isWeighted: Bool
    ) -> [[Double]] {
        func cosine(_ left: [Double], _ right: [Double]) -> Double {
            func product(_ a: [Double], _ b: [Double]) -> Double {
                zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
            }
            let lengths = (product(left, left) * product(right, right)).squareRoot()
            return lengths > 0 ? product(left, right) / lengths : 0
        }
        var (sums, weights) = (kept.map { rows[$0] }, kept.map { _ in 1.0 })
        for token in rows.indices where !kept.contains(token) {
            let likeness = kept.map { cosine(rows[token], rows[$0]) }
            guard let best = likeness.max(), best >= 0.9 else { continue }
            let nearest = likeness.firstIndex { $0 >= best - 1e-6 } ?? 0
            let weight = isWeighted ? exp((best - 1) / 0.2) : 1
            sums[nearest] = zip(sums[nearest], rows[token]).map { $0 + weight * $1 }
            weights[nearest] += weight
        }
        return zip(sums, weights).map { sum, weight in sum.map { $0 / weight } }
    }

    /// Tokens in groups of which some are close enough to be merged.
    private func tokens(_ count: Int, width: Int) -> [[Float]] {
        var random = SeededGenerator(seed: UInt64(count))
        let centres = (0..<5).map { _ in
            (0..<width).map { _ in Float.random(in: -1...1, using: &random) }
        }
        return (0..<count).map { index in
            let spread: Float = index % 3 == 0 ? 1 : 0.3
            return centres[index % 5].map { $0 + spread * Float.random(in: -1...1, using: &random) }
        }
    }

    @Test(arguments: [TokenMerging.mean, .weighted])
    func averagesWhatIsAlike(merging: TokenMerging) throws {
        for (count, keep) in [(2, 1), (17, 5), (64, 31), (97, 96)] {
            let numbers = tokens(count, width: 24)
            let kept = Array(stride(from: 0, to: count, by: 1).prefix(keep))
            let rows = Activations(numbers.flatMap { $0 }, width: 24)
            let found = try merging.merged(rows, kept: kept, ops: makeOps())
            let wanted = expected(
                numbers.map { $0.map(Double.init) }, kept: kept, isWeighted: merging == .weighted)
            for (row, expected) in wanted.enumerated() {
                for (column, number) in expected.enumerated() {
                    // A sum of up to 97 numbers of at most 2 in single precision.
                    #expect(abs(Double(found.row(row)[column]) - number) < 97 * 2 * 1.2e-7)
                }
            }
        }
    }

    @Test func mergesSomethingAndNotAll() throws {
        let numbers = tokens(97, width: 24)
        let rows = Activations(numbers.flatMap { $0 }, width: 24)
        let kept = Array(0..<20)
        let merged = try TokenMerging.mean.merged(rows, kept: kept, ops: makeOps())
        let changed = kept.filter { row in
            (0..<24).contains { merged.row(row)[$0] != rows.row(row)[$0] }
        }
        #expect(!changed.isEmpty && changed.count < kept.count)
    }

    @Test func noneChangesNothing() throws {
        let rows = Activations(tokens(30, width: 8).flatMap { $0 }, width: 8)
        let found = try TokenMerging.none.merged(rows, kept: [1, 4, 29], ops: makeOps())
        for (row, token) in [1, 4, 29].enumerated() {
            #expect((0..<8).allSatisfy { found.row(row)[$0] == rows.row(token)[$0] })
        }
    }

    @Test func refusesNumbersThatAreNotFinite() throws {
        let rows = Activations(tokens(30, width: 8).flatMap { $0 }, width: 8)
        rows.row(7)[2] = .infinity
        #expect(throws: PruningError.notFinite(input: "visual token embeddings")) {
            try TokenMerging.mean.merged(rows, kept: [1, 4, 29], ops: makeOps())
        }
    }
}
