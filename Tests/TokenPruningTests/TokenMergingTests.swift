// SPDX-License-Identifier: Apache-2.0
import TensorOps
import TestSupport
import Testing
import TokenPruning

@Suite("Merging dropped tokens")
struct TokenMergingTests {
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

    @Test(
        arguments: ["seventeen", "random-64", "clustered-64", "degenerate-64"],
        TokenMerging.allCases.filter { $0 != .none })
    func equalsThePlainFormula(name: String, merging: TokenMerging) throws {
        let golden = try PruningCase(name)
        #expect(!golden.merged.isEmpty)
        let found = try merging.merged(
            golden.input.embeddings, kept: golden.merged, attention: golden.input.attention,
            ops: makeOps())
        let expected = try golden.rows(mergedBy: merging)
        #expect(found.rows * found.width == expected.count)
        let largest = expected.map(abs).max() ?? 0
        #expect(zip(found.array, expected).allSatisfy { abs($0 - $1) <= 1e-5 * largest })
    }

    /// A rule without a limit changes each token that something was merged into.
    @Test func mergesAllWithoutALimit() throws {
        let numbers = tokens(97, width: 24)
        let rows = Activations(numbers.flatMap { $0 }, width: 24)
        let kept = [Int](0..<20)
        let attention = (0..<97).map { Float($0 + 1) }
        func changed(_ merging: TokenMerging) throws -> [Int] {
            let merged = try merging.merged(
                rows, kept: kept, attention: attention, ops: makeOps())
            return kept.filter { row in
                (0..<24).contains { merged.row(row)[$0] != rows.row(row)[$0] }
            }
        }
        #expect(try changed(.mean).count < changed(.tome).count)
        #expect(try changed(.prumerge) == kept)
        // The 20 · 10 / 64 least attended ones.
        #expect(Set(try changed(.visionzip)).isSubset(of: [0, 1, 2]))
    }

    @Test(arguments: TokenMerging.allCases)
    func zerosStayZeros(merging: TokenMerging) throws {
        let rows = Activations([Float](repeating: 0, count: 20 * 8), width: 8)
        let found = try merging.merged(
            rows, kept: [2, 3, 4, 5, 6, 7, 11], attention: [Float](repeating: 0, count: 20),
            ops: makeOps())
        #expect(found.array == [Float](repeating: 0, count: 7 * 8))
    }

    @Test(arguments: [1, 2, 3, 5])
    func threadsChangeNothing(threads: Int) throws {
        let golden = try PruningCase("clustered-576")
        let kept = Array(stride(from: 0, to: 576, by: 9))
        for merging in TokenMerging.allCases {
            func merged(_ threads: Int) throws -> [Float] {
                try merging.merged(
                    golden.input.embeddings, kept: kept, attention: golden.input.attention,
                    ops: makeOps(threads: threads)
                ).array
            }
            #expect(try merged(threads) == merged(1))
        }
    }

    @Test func refusesAttentionThatItCannotUse() throws {
        let rows = Activations(tokens(30, width: 8).flatMap { $0 }, width: 8)
        let kept = Array(0..<7)
        for merging in TokenMerging.allCases where merging.needs.contains(.attention) {
            func merge(_ attention: [Float]?) throws {
                _ = try merging.merged(rows, kept: kept, attention: attention, ops: makeOps())
            }
            #expect(throws: PruningError.missingForMerging(merging, need: .attention)) {
                try merge(nil)
            }
            #expect(
                throws: PruningError.shapeMismatch(
                    input: "number of rows of the attention", found: 3, expected: 30)
            ) { try merge([1, 2, 3]) }
            #expect(throws: PruningError.notFinite(input: "attention")) {
                try merge([Float](repeating: .nan, count: 30))
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

    @Test(arguments: TokenMerging.allCases.filter { $0 != .none })
    func refusesNumbersThatAreNotFinite(merging: TokenMerging) throws {
        let rows = Activations(tokens(30, width: 8).flatMap { $0 }, width: 8)
        rows.row(7)[2] = .infinity
        let attention = [Float](repeating: 1, count: 30)
        #expect(throws: PruningError.notFinite(input: "visual token embeddings")) {
            try merging.merged(rows, kept: Array(0..<9), attention: attention, ops: makeOps())
        }
    }
}
