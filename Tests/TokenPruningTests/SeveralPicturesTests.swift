// SPDX-License-Identifier: Apache-2.0
import Foundation
import TensorOps
import TestSupport
import Testing

@testable import TokenPruning

/// The tokens of several pictures, and those that an independent implementation keeps.
struct SeveralPicturesCase: Decodable {
    struct Golden: Decodable {
        let keep: Int
        let diversity: [Float]
        let variation: Float
        let budgets: [Int]
        let indices: [[Int]]
    }

    let counts: [Int]
    let overselection: Double
    let guaranteedShare: Double
    let metric: String
    let selections: [Golden]

    static let names = ["three", "options", "no-question", "same-twice", "single", "many-small"]

    static func load(
        _ name: String
    ) throws -> (facts: SeveralPicturesCase, pictures: [Activations], text: Activations) {
        let folder = "pruning/several/\(name)"
        let facts = try JSONDecoder().decode(
            SeveralPicturesCase.self, from: Data(Fixture.bytes("\(folder)/case.json")))
        let embeddings = try NPYArray(fixture: "\(folder)/embeddings.npy")
        let text = try NPYArray(fixture: "\(folder)/text.npy")
        let all = Activations(embeddings.floats, width: embeddings.shape[1])
        var start = 0
        let pictures = facts.counts.map { count in
            defer { start += count }
            return all.copy(rows: start..<(start + count))
        }
        return (facts, pictures, Activations(text.floats, width: text.shape[1]))
    }
}

@Suite("Several pictures")
struct SeveralPicturesTests {
    @Test(arguments: SeveralPicturesCase.names)
    func keepsTheSameTokens(name: String) throws {
        let (facts, pictures, text) = try SeveralPicturesCase.load(name)
        let rule = try SeveralPictures(
            overselection: facts.overselection, guaranteedShare: facts.guaranteedShare,
            metric: try #require(AlignmentMetric(rawValue: facts.metric)))
        #expect(!facts.selections.isEmpty)
        for golden in facts.selections {
            for threads in [1, 3] {
                let kept = try rule.select(
                    pictures, text: text, keep: golden.keep, ops: makeOps(threads: threads))
                #expect(kept.indices == golden.indices, "\(golden.keep) tokens")
                #expect(kept.budgets == golden.budgets)
                #expect(abs(kept.variation - golden.variation) < 1e-5)
                for (found, expected) in zip(kept.diversity, golden.diversity) {
                    #expect(abs(found - expected) < 1e-5)
                }
                #expect(kept.lacksQuestion == (text.rows == 0))
            }
        }
    }

    @Test func keepsAsManyAsAskedForOrAll() throws {
        let (_, pictures, text) = try SeveralPicturesCase.load("three")
        let all = pictures.reduce(0) { $0 + $1.rows }
        for keep in [1, 2, 3, 7, 31, all - 1, all, all + 1, .max] {
            let kept = try SeveralPictures().select(
                pictures, text: text, keep: keep, ops: makeOps())
            #expect(kept.indices.reduce(0) { $0 + $1.count } == min(keep, all), "\(keep)")
            for indices in kept.indices { #expect(indices == Set(indices).sorted()) }
        }
    }

    @Test func anyNumberOfPicturesWillDo() throws {
        let ops = try makeOps()
        let none = try SeveralPictures().select([], text: nil, keep: 4, ops: ops)
        #expect(none.indices.isEmpty)
        let empty = Activations(rows: 0, width: 8)
        let nothing = try SeveralPictures().select([empty, empty], text: nil, keep: 4, ops: ops)
        #expect(nothing.indices == [[], []])
        let blank = Activations([Float](repeating: 0, count: 80), width: 8)
        let zeros = try SeveralPictures().select([blank, blank], text: blank, keep: 6, ops: ops)
        #expect(zeros.indices.reduce(0) { $0 + $1.count } == 6)
    }

    @Test func refusesWhatItCannotCompare() throws {
        let ops = try makeOps()
        let rows = Activations([Float](repeating: 1, count: 32), width: 8)
        let rule = try SeveralPictures()
        #expect(throws: PruningError.keepsNothing(keep: 0)) {
            try rule.select([rows], text: nil, keep: 0, ops: ops)
        }
        #expect(throws: PruningError.self) {
            try rule.select([rows, Activations(rows: 1, width: 7)], text: nil, keep: 1, ops: ops)
        }
        #expect(throws: PruningError.self) {
            try rule.select([rows], text: Activations(rows: 1, width: 7), keep: 1, ops: ops)
        }
        let spoiled = rows.copy(rows: 0..<4)
        spoiled.row(3)[7] = .nan
        #expect(throws: PruningError.notFinite(input: "visual token embeddings")) {
            try rule.select([rows, spoiled], text: nil, keep: 2, ops: ops)
        }
        for number in [-0.1, .nan, .infinity] {
            #expect(throws: PruningError.self) { try SeveralPictures(overselection: number) }
            #expect(throws: PruningError.self) { try SeveralPictures(guaranteedShare: number) }
        }
    }
}

@Suite("Apportionment")
struct ApportionmentTests {
    @Test(arguments: [
        (10, [1.0, 1, 1], [0...10, 0...10, 0...10], [4, 3, 3]),
        (10, [3.0, 1, 1], [0...4, 0...10, 0...10], [4, 3, 3]),
        (10, [8.0, 1, 1], [0...10, 2...10, 2...10], [6, 2, 2]),
        (10, [0.0, 0, 0], [0...10, 0...10, 0...10], [4, 3, 3]),
        (10, [1.0, 0, 0], [0...4, 0...10, 0...10], [4, 3, 3]),
        (10, [1.0, 2], [0...2, 0...3], [2, 3]),
        (1, [1.0, 2], [1...5, 2...5], [1, 2]),
        (7, [0.5, 0.25, 0.25], [0...9, 0...9, 0...9], [3, 2, 2]),
        (0, [1.0], [0...3], [0]),
    ])
    func divides(total: Int, weights: [Double], limits: [ClosedRange<Int>], parts: [Int]) {
        #expect(apportion(total, weights: weights, limits: limits) == parts)
    }

    @Test func staysWithinLimitsAndAddsUp() {
        var random = SeededGenerator(seed: 11)
        for _ in 0..<300 {
            let count = Int.random(in: 0...9, using: &random)
            let limits = (0..<count).map { _ in
                let low = Int.random(in: 0...20, using: &random)
                return low...(low + Int.random(in: 0...50, using: &random))
            }
            let weights = limits.map { _ in Double.random(in: 0...1, using: &random) }
            let least = limits.reduce(0) { $0 + $1.lowerBound }
            let most = limits.reduce(0) { $0 + $1.upperBound }
            let total = Int.random(in: least...most, using: &random)
            let parts = apportion(total, weights: weights, limits: limits)
            #expect(parts.reduce(0, +) == total)
            #expect(zip(parts, limits).allSatisfy { $1.contains($0) })
        }
    }
}

@Suite("Pareto selection")
struct ParetoSelectionTests {
    @Test func takesWholeFrontsFirst() {
        // Fronts: {0, 1, 2}, {3, 4}, {5}.
        let first: [Float] = [3, 2, 1, 2, 1, 0]
        let second: [Float] = [1, 2, 3, 1, 2, 0]
        #expect(paretoSelection(first, second, keep: 3) == [0, 1, 2])
        #expect(paretoSelection(first, second, keep: 5) == [0, 1, 2, 3, 4])
        #expect(paretoSelection(first, second, keep: 6) == [0, 1, 2, 3, 4, 5])
        #expect(paretoSelection(first, second, keep: 0) == [])
    }

    @Test func thinsTheLastFrontWhereItIsCrowded() {
        let first: [Float] = [10, 9, 8.9, 5, 0]
        let second: [Float] = [0, 1, 1.1, 5, 10]
        #expect(paretoSelection(first, second, keep: 2) == [0, 4])
        #expect(paretoSelection(first, second, keep: 3) == [0, 3, 4])
        #expect(paretoSelection(first, second, keep: 4) == [0, 2, 3, 4])
    }

    @Test func equalPointsDoNotDominateEachOther() {
        #expect(paretoSelection([1, 1, 1, 0], [2, 2, 2, 9], keep: 3) == [0, 2, 3])
        #expect(paretoSelection([1, 1, 1], [1, 1, 0], keep: 2) == [0, 1])
    }

    @Test func agreesWithComparingAllPairs() {
        var random = SeededGenerator(seed: 8)
        for _ in 0..<100 {
            let count = Int.random(in: 1...40, using: &random)
            let first = (0..<count).map { _ in Float(Int.random(in: 0...9, using: &random)) }
            let second = (0..<count).map { _ in Float(Int.random(in: 0...9, using: &random)) }
            let front = (0..<count).filter { point in
                !(0..<count).contains { other in
                    first[other] >= first[point] && second[other] >= second[point]
                        && (first[other] > first[point] || second[other] > second[point])
                }
            }
            #expect(paretoSelection(first, second, keep: front.count) == front)
        }
    }
}
