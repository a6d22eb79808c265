// SPDX-License-Identifier: Apache-2.0
import TensorOps
import TestSupport
import Testing
import TokenPruning

@Suite("Selectors against an independent implementation")
struct SelectorGoldenTests {
    @Test(arguments: PruningCase.names)
    func keepsTheSameTokens(name: String) throws {
        let golden = try PruningCase(name)
        let ops = try makeOps()
        #expect(!golden.selections.isEmpty)
        for selection in golden.selections {
            let selector = try selection.makeSelector()
            let kept = try selector.select(golden.input, keep: selection.keep, ops: ops)
            #expect(
                kept.indices == selection.indices,
                "\(selection.selector), \(selection.keep) tokens")
        }
    }

    @Test func everySelectorHasGoldens() throws {
        let names = Set(try PruningCase("random-576").selections.map(\.selector))
        #expect(names == Set(TokenSelectors.names))
    }

    @Test(arguments: ["two", "seventeen", "random-64", "clustered-64", "degenerate-64"])
    func alignsAsPairByPair(name: String) throws {
        let golden = try PruningCase(name)
        let text = try #require(golden.input.text)
        for metric in AlignmentMetric.allCases {
            let expected = try #require(golden.alignment[metric.rawValue])
            let found = try metric.scores(
                of: golden.input.embeddings, with: text, ops: makeOps())
            let scale = expected.map { abs($0) }.max() ?? 0
            #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= 4e-6 * scale }, "\(metric)")
            #expect(found.count == expected.count)
        }
    }

    @Test(arguments: [1, 2, 3, 5])
    func threadsChangeNothing(threads: Int) throws {
        let golden = try PruningCase("clustered-576")
        let (one, many) = (try makeOps(threads: 1), try makeOps(threads: threads))
        for selector in TokenSelectors.all() {
            let expected = try selector.select(golden.input, keep: 100, ops: one)
            #expect(try selector.select(golden.input, keep: 100, ops: many) == expected)
        }
    }
}
