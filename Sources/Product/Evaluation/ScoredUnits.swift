// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// The scores of a task's answers, by the questions that are right or wrong together.
struct ScoredUnits: Sendable, Equatable {
    /// Questions that are right or wrong together; usually one question.
    private struct Unit: Equatable {
        let name: String
        var score = 0.0
        var count = 0
        var isWhole = true
    }

    private var units: [Unit] = []
    private let combination: EvaluationMetric.Combination

    /// - Parameter scores: each question's score, and the name of its unit.
    init(_ scores: [(unit: String, score: Double)], _ combination: EvaluationMetric.Combination) {
        self.combination = combination
        var places: [String: Int] = [:]
        for (name, score) in scores {
            let place = places[name, default: units.count]
            if place == units.count {
                places[name] = place
                units.append(Unit(name: name))
            }
            units[place].score += score
            units[place].count += 1
            units[place].isWhole = units[place].isWhole && score == 1
        }
    }

    /// The mean score of the questions.
    var accuracy: Double {
        units.reduce(0) { $0 + $1.score } / Double(units.reduce(0) { $0 + $1.count })
    }
    /// The share of units all of whose questions are right.
    var wholeUnits: Double { Double(units.count(where: \.isWhole)) / Double(units.count) }
    /// What the metric makes of both.
    var score: Double { combination.score(accuracy, wholeUnits: wholeUnits) }

    /// The score if the units were these, some of them several times.
    private func score(ofUnits chosen: [Int]) -> Double {
        var (score, count, whole) = (0.0, 0, 0)
        for index in chosen {
            score += units[index].score
            count += units[index].count
            whole += units[index].isWhole ? 1 : 0
        }
        return combination.score(
            score / Double(count), wholeUnits: Double(whole) / Double(chosen.count))
    }

    private func hasUnits(of other: ScoredUnits) -> Bool {
        units.lazy.map(\.name).elementsEqual(other.units.lazy.map(\.name))
    }

    /// Resamples; more of them would move the ends of an interval by less than a tenth of its length.
    private static let resamples = 1000

    /// The part of the unpruned scores that is left, in 95 of 100 resamples of the same questions (the percentile bootstrap:
    /// Efron, "Bootstrap methods: another look at the jackknife", 1979).
    ///
    /// - Parameters:
    ///   - pruned: the scores of some tasks, which are added.
    ///   - whole: the unpruned model's, of the same tasks.
    /// - Returns: nil where not the same questions were answered, or where there is nothing to be left.
    static func retained(
        _ pruned: [ScoredUnits], of whole: [ScoredUnits]
    ) -> ClosedRange<Double>? {
        guard pruned.count == whole.count, zip(pruned, whole).allSatisfy({ $0.hasUnits(of: $1) }),
            pruned.contains(where: { $0.units.count > 1 })
        else { return nil }
        var random = SplitMix64(seed: 1)
        var shares: [Double] = []
        for _ in 0..<resamples {
            var (left, all) = (0.0, 0.0)
            for (pruned, whole) in zip(pruned, whole) {
                let range = pruned.units.indices
                let chosen = range.map { _ in Int.random(in: range, using: &random) }
                left += pruned.score(ofUnits: chosen)
                all += whole.score(ofUnits: chosen)
            }
            if all > 0 { shares.append(left / all) }
        }
        guard !shares.isEmpty else { return nil }
        shares.sort()
        let tail = shares.count / 40
        return shares[tail]...shares[shares.count - 1 - tail]
    }
}

extension EvaluationMetric.Combination {
    fileprivate func score(_ accuracy: Double, wholeUnits: Double) -> Double {
        switch self {
        case .mean: accuracy
        case .wholeUnits: wholeUnits
        case .meanAndWholeUnits: accuracy + wholeUnits
        }
    }
}
