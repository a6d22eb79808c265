// SPDX-License-Identifier: Apache-2.0
import Foundation
import Kernels
import TensorOps
import TestSupport
import Testing
import TokenPruning
import WorkerPool

/// Visual tokens, and those that an independent implementation of the selectors keeps.
struct PruningCase: Sendable, CustomTestStringConvertible {
    /// One selector at one budget.
    struct Golden: Decodable {
        let selector: String
        let keep: Int
        let metric: String?
        let share: Double?
        let seed: UInt64?
        let indices: [Int]

        func makeSelector() throws -> any TokenSelector {
            var options = SelectorOptions(alignment: .squaredL2)
            if let metric { options.alignment = try #require(AlignmentMetric(rawValue: metric)) }
            if let share { options.alignedShare = share }
            if let seed { options.seed = seed }
            return try TokenSelectors.named(selector, options)
        }
    }

    private struct Facts: Decodable {
        let selections: [Golden]
        let alignment: [String: [Float]]
        let merged: [Int]
    }

    let name: String
    let input: SelectionInput
    let selections: [Golden]
    let alignment: [String: [Float]]
    /// What is kept where the others are merged; nothing for cases without.
    let merged: [Int]

    static let names = [
        "one", "two", "seventeen", "no-question", "random-64", "clustered-64", "degenerate-64",
        "random-576", "clustered-576",
    ]

    init(_ name: String) throws {
        self.name = name
        func rows(_ part: String) throws -> Activations {
            let array = try NPYArray(fixture: "pruning/\(name)/\(part).npy")
            return Activations(array.floats, width: array.shape[1])
        }
        let embeddings = try rows("embeddings")
        input = SelectionInput(
            embeddings: embeddings, features: try rows("features"),
            attention: try NPYArray(fixture: "pruning/\(name)/attention.npy").floats,
            receivedAttention: ReceivedAttention(
                middle: try NPYArray(fixture: "pruning/\(name)/middle.npy").floats,
                last: try NPYArray(fixture: "pruning/\(name)/last.npy").floats),
            text: try rows("text"), places: Self.places(of: embeddings.rows))
        let facts = try JSONDecoder().decode(
            Facts.self, from: Data(Fixture.bytes("pruning/\(name)/case.json")))
        (selections, alignment, merged) = (facts.selections, facts.alignment, facts.merged)
    }

    /// The kept tokens after the others have been merged into them, `[kept, width]`.
    func rows(mergedBy merging: TokenMerging) throws -> [Float] {
        try NPYArray(fixture: "pruning/\(name)/merged-\(merging).npy").floats
    }

    /// Two tiles, the second half as large, in lines of eight.
    static func places(of count: Int) -> [TokenPlace] {
        let first = (2 * count + 2) / 3
        return (0..<count).map { index in
            let within = index < first ? index : index - first
            return TokenPlace(tile: index < first ? 0 : 1, row: within / 8, column: within % 8)
        }
    }

    var testDescription: String { name }
}

/// The reference kernels on some threads.
func makeOps(threads: Int = 2) throws -> TensorOps {
    TensorOps(kernels: try .named("reference"), pool: WorkerPool(threadCount: threads))
}
