// SPDX-License-Identifier: Apache-2.0
import TensorOps
import TestSupport
import Testing

@testable import TokenPruning

@Suite("Budgets")
struct KeepBudgetTests {
    @Test(arguments: [
        ("1", KeepBudget.count(1)), ("64", .count(64)), ("100000", .count(100_000)),
        ("11.1%", .percent(11.1)), ("100%", .percent(100)), ("0.01%", .percent(0.01)),
        (".5%", .percent(0.5)), ("auto", .automatic), ("auto:98%", .automatic),
        ("auto:95%", .adaptive(quality: 95)), ("auto:99.5%", .adaptive(quality: 99.5)),
    ])
    func reads(text: String, budget: KeepBudget) throws {
        #expect(try KeepBudget(parsing: text) == budget)
        #expect(try KeepBudget(parsing: budget.description) == budget)
    }

    @Test(arguments: [
        "", "0", "-1", "+5", "1.5", "64 ", "٣", "0%", "0.0%", "100.1%", "-5%", "nan%", "inf%", "%",
        ".%", "1e1%", "0x1p3%", "1.2.3%", "auto:", "auto:95", "auto:89.9%", "auto:101%",
        "auto:nan%", "auto:auto", "11,1%", "11.1 %", "Auto", "half", "99999999999999999999",
    ])
    func refuses(text: String) {
        #expect(throws: PruningError.invalidBudget(text: text)) { try KeepBudget(parsing: text) }
    }

    @Test(arguments: [
        (KeepBudget.count(64), 576, 64), (.count(64), 10, 10), (.count(5), 0, 0),
        (.percent(11.1), 576, 64), (.percent(11.1), 2304, 256), (.percent(100), 577, 577),
        (.percent(0.01), 576, 1), (.percent(50), 0, 0), (.percent(50), 3, 2),
    ])
    func keepsThisManyOf(budget: KeepBudget, candidates: Int, expected: Int) throws {
        #expect(budget.mostKept(of: candidates) == expected)
        let rows = Activations([Float](repeating: 1, count: candidates * 2), width: 2)
        #expect(try budget.resolve(for: rows, ops: makeOps()) == expected)
    }
}

@Suite("The adaptive budget")
struct AdaptiveBudgetTests {
    /// `count` tokens: `outstanding` are equally far from the others, which are all alike.
    private func tokens(_ count: Int, outstanding: Int, noise: Float = 0) -> Activations {
        var random = SeededGenerator(seed: 3)
        let rows = Activations(rows: count, width: 640)
        for row in 0..<count {
            for column in 0..<640 {
                let common: Float = column == 639 ? 3 : 0
                let own: Float = row < outstanding && column == row ? 1 : 0
                rows.row(row)[column] =
                    common + own + noise * Float.random(in: -1...1, using: &random)
            }
        }
        return rows
    }

    @Test(arguments: [1, 2, 3, 17, 64, 96])
    func countsTokensThatStandOut(number: Int) throws {
        let outstanding = try AdaptiveBudget.outstandingTokens(
            in: tokens(576, outstanding: number), ops: makeOps())
        #expect(abs(outstanding - Double(number)) < 0.05 * Double(number))
    }

    @Test func aScaleChangesNothing() throws {
        for scale: Float in [1e-12, 1e-3, 1e12] {
            let rows = tokens(576, outstanding: 50)
            for index in 0..<(576 * 640) { rows.values[index] *= scale }
            let count = try AdaptiveBudget.count(for: rows, quality: 100, ops: makeOps())
            #expect(abs(count - 51) <= 2)
        }
    }

    @Test func staysWithinItsRange() throws {
        let ops = try makeOps()
        #expect(AdaptiveBudget.range(of: 576) == 32...192)
        #expect(AdaptiveBudget.range(of: 2304) == 128...768)
        #expect(AdaptiveBudget.range(of: 1) == 1...1)
        #expect(AdaptiveBudget.range(of: 0) == 0...0)
        #expect(try AdaptiveBudget.count(for: tokens(576, outstanding: 0), ops: ops) == 32)
        #expect(try AdaptiveBudget.count(for: tokens(576, outstanding: 1), ops: ops) == 32)
        #expect(
            try AdaptiveBudget.count(for: tokens(576, outstanding: 576), quality: 100, ops: ops)
                == 192)
        #expect(try AdaptiveBudget.count(for: tokens(1, outstanding: 1), ops: ops) == 1)
        #expect(try AdaptiveBudget.count(for: tokens(0, outstanding: 0), ops: ops) == 0)
        #expect(KeepBudget.automatic.mostKept(of: 576) == 192)
    }

    @Test func aBusierPictureKeepsMore() throws {
        let ops = try makeOps()
        let kept = try [60, 90, 120, 150].map {
            try AdaptiveBudget.count(for: tokens(576, outstanding: $0, noise: 0.01), ops: ops)
        }
        #expect(kept == kept.sorted() && Set(kept).count == kept.count)
    }

    @Test func betterAnswersKeepMore() throws {
        let (ops, rows) = (try makeOps(), tokens(576, outstanding: 150))
        let kept = try [90, 95, 98, 99, 100].map {
            try AdaptiveBudget.count(for: rows, quality: $0, ops: ops)
        }
        #expect(kept == kept.sorted() && Set(kept).count == kept.count)
        let rule = AutomaticRule.drawnScenes
        for quality in stride(from: 90, through: 100, by: 0.25) {
            let tokens = rule.tokensPerOutstanding(for: quality)
            #expect(tokens >= rule.tokensPerOutstanding(for: max(90, quality - 0.25)))
        }
    }

    @Test func aRuleGoesThroughItsMeasurements() throws {
        let points = [(0.5, 97.0), (0.2, 80), (1, 99)].map {
            AutomaticRule.Point(tokensPerOutstanding: $0.0, quality: $0.1)
        }
        let rule = try #require(AutomaticRule(measured: points))
        for (quality, tokens) in [
            (50, 0.2), (80, 0.2), (88.5, 0.35), (97, 0.5), (98, 0.75), (100, 1),
        ] {
            #expect(abs(rule.tokensPerOutstanding(for: quality) - tokens) < 1e-12, "\(quality)")
        }
        let rows = tokens(576, outstanding: 150)
        let kept = try KeepBudget.adaptive(quality: 97).resolve(
            for: rows, rule: rule, ops: makeOps())
        #expect(abs(kept - 75) <= 2)
    }

    /// Chance may measure less with more tokens: neighbours that contradict each other get their mean.
    @Test func measurementsThatContradictAreAveraged() throws {
        let points = [(0.2, 90.0), (0.3, 96), (0.42, 94), (0.55, 95), (0.7, 99)].map {
            AutomaticRule.Point(tokensPerOutstanding: $0.0, quality: $0.1)
        }
        let rule = try #require(AutomaticRule(measured: points))
        #expect(rule.points.map(\.quality) == [90, 95, 95, 95, 99])
        #expect(rule.tokensPerOutstanding(for: 95) == 0.3)
    }

    @Test func nonsenseIsNoRule() {
        let cases: [[(Double, Double)]] = [
            [], [(0.5, 98)], [(0.5, 98), (0.5, 99)], [(0, 98), (1, 99)], [(-1, 98), (1, 99)],
            [(0.5, .nan), (1, 99)], [(.nan, 98), (1, 99)], [(0.5, -1), (1, 99)],
            [(0.5, 98), (17, 99)], [(0.5, 98), (.infinity, 99)], [(0.5, 98), (1, 1001)],
            (1...257).map { (Double($0) / 257, 98) },
        ]
        for points in cases {
            let measured = points.map {
                AutomaticRule.Point(tokensPerOutstanding: $0.0, quality: $0.1)
            }
            #expect(AutomaticRule(measured: measured) == nil, "\(points)")
        }
    }

    @Test func refusesNumbersThatAreNotFinite() throws {
        let rows = tokens(64, outstanding: 8)
        rows.row(5)[2] = .nan
        #expect(throws: PruningError.notFinite(input: "visual token embeddings")) {
            try KeepBudget.automatic.resolve(for: rows, ops: makeOps())
        }
    }
}
