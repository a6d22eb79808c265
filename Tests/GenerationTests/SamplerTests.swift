// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing
import Tokenization

@testable import Generation

@Suite struct SamplerTests {
    /// Scores whose probabilities are 0.5, 0.25, 0.125, 0.0625 and 0.0625.
    private let scores = [0.25, 0.0625, 0.5, 0.0625, 0.125].map { Float(log($0)) + 3 }

    private func options(
        temperature: Float = 1, topK: Int = 0, topP: Float = 1, minP: Float = 0, seed: UInt64 = 1
    ) -> SamplingOptions {
        SamplingOptions(
            temperature: temperature, topK: topK, topP: topP, minP: minP, seed: seed)
    }

    private func draw(
        _ count: Int, _ scores: [Float], _ options: SamplingOptions,
        excluding excluded: Set<TokenID> = [], recent: [TokenID] = []
    ) -> [TokenID] {
        var sampler = Sampler(options, excluding: excluded)
        return (0..<count).map { _ in
            scores.withUnsafeBufferPointer { sampler.next($0, recent: recent[...]) }
        }
    }

    private func choose(
        _ scores: [Float], _ options: SamplingOptions = SamplingOptions(),
        excluding excluded: Set<TokenID> = [], recent: [TokenID] = []
    ) -> TokenID {
        draw(1, scores, options, excluding: excluded, recent: recent)[0]
    }

    /// Whether tokens come about as often as expected: the χ² of the counts stays below its 99.99 %
    /// quantile for up to 4 degrees of freedom.
    private func isDistributed(_ tokens: [TokenID], as probabilities: [Double]) -> Bool {
        var chiSquare = 0.0
        for (token, probability) in probabilities.enumerated() {
            let count = Double(tokens.count { $0 == TokenID(token) })
            let expected = probability * Double(tokens.count)
            if probability == 0, count > 0 { return false }
            if probability > 0 { chiSquare += (count - expected) * (count - expected) / expected }
        }
        return chiSquare < 23.5
    }

    // MARK: Greedy

    @Test func greedyTakesTheLowestOfTheBest() {
        #expect(choose([1, 3, 2]) == 1)
        #expect(choose([1, 3, 3, 3]) == 1)
        #expect(choose([-1, -1]) == 0)
        #expect(choose([-5]) == 0)
        #expect(choose([0, -0, 0]) == 0)
    }

    @Test func greedyIgnoresWhatShapesProbabilities() {
        let odd = SamplingOptions(topK: 1, topP: 0.01, minP: 1)
        #expect(choose(scores, odd) == 2)
    }

    // MARK: Repetition penalty

    @Test func penaltyDividesPositiveAndMultipliesNegativeScores() {
        func choice(_ scores: [Float], _ penalty: Float, recent: [TokenID]) -> TokenID {
            choose(scores, SamplingOptions(repetitionPenalty: penalty), recent: recent)
        }
        #expect(choice([3, 2], 1.4, recent: [0]) == 0)
        #expect(choice([3, 2], 1.6, recent: [0]) == 1)
        #expect(choice([3, 2], 1.6, recent: [0, 1]) == 0)
        #expect(choice([-2, -3], 1.4, recent: [0]) == 0)
        #expect(choice([-2, -3], 1.6, recent: [0]) == 1)
        // Once, however often the token came.
        #expect(choice([3, 1], 1.6, recent: [0, 0, 0, 0]) == 0)
        // Less than 1 rewards.
        #expect(choice([3, 2], 0.5, recent: [1]) == 1)
        // Visual rows and unknown tokens are passed over.
        #expect(choice([3, 2], 1.6, recent: [-1, 7, .max]) == 0)
    }

    @Test func penaltySeesItsWindowOnly() {
        var options = SamplingOptions(repetitionPenalty: 2, repetitionWindow: 2)
        #expect(choose([3, 2, 0], options, recent: [0, 2, 2]) == 0)
        #expect(choose([3, 2, 0], options, recent: [2, 0, 2]) == 1)
        options.repetitionWindow = 0
        #expect(choose([3, 2, 0], options, recent: [0, 0]) == 0)
        options.repetitionWindow = .max
        #expect(choose([3, 2, 0], options, recent: [0, 2, 2]) == 1)
    }

    // MARK: Draws

    @Test func drawsFollowTheProbabilities() {
        let tokens = draw(40_000, scores, options())
        #expect(isDistributed(tokens, as: [0.25, 0.0625, 0.5, 0.0625, 0.125]))
        // The check sees a difference of a few percent.
        #expect(!isDistributed(tokens, as: [0.25, 0.0625, 0.48, 0.0625, 0.145]))
    }

    @Test(arguments: [0.5, 2] as [Float])
    func temperatureFlattensOrSharpens(temperature: Float) {
        let powers = [0.25, 0.0625, 0.5, 0.0625, 0.125].map { pow($0, 1 / Double(temperature)) }
        let sum = powers.reduce(0, +)
        let tokens = draw(40_000, scores, options(temperature: temperature))
        #expect(isDistributed(tokens, as: powers.map { $0 / sum }))
    }

    @Test func topKKeepsTheBest() {
        let two = draw(30_000, scores, options(topK: 2))
        #expect(isDistributed(two, as: [1.0 / 3, 0, 2.0 / 3, 0, 0]))
        #expect(Set(draw(100, scores, options(topK: 1))) == [2])
        // Of equal ones the lower token.
        #expect(Set(draw(3000, scores, options(topK: 4))) == [0, 1, 2, 4])
        #expect(Set(draw(3000, scores, options(topK: 99))) == [0, 1, 2, 3, 4])
    }

    @Test func topPKeepsTheFewestThatReachTheSum() {
        #expect(Set(draw(3000, scores, options(topP: 0.4))) == [2])
        #expect(Set(draw(3000, scores, options(topP: 0.6))) == [0, 2])
        #expect(Set(draw(3000, scores, options(topP: 0.76))) == [0, 2, 4])
        let tokens = draw(30_000, scores, options(topP: 0.8))
        #expect(isDistributed(tokens, as: [2.0 / 7, 0, 4.0 / 7, 0, 1.0 / 7]))
        #expect(Set(draw(100, scores, options(topP: .leastNonzeroMagnitude))) == [2])
    }

    @Test func minPDropsWhatIsMuchLessLikelyThanTheBest() {
        #expect(Set(draw(3000, scores, options(minP: 0.4))) == [0, 2])
        #expect(Set(draw(3000, scores, options(minP: 0.2))) == [0, 2, 4])
        #expect(Set(draw(100, scores, options(minP: 1))) == [2])
    }

    @Test func selectionComesBeforeTemperature() {
        // After a temperature of 100 all would be equally likely, and top-p would keep more.
        let tokens = draw(30_000, scores, options(temperature: 100, topP: 0.6))
        #expect(Set(tokens) == [0, 2])
        #expect(isDistributed(tokens, as: [0.4983, 0, 0.5017, 0, 0]))
    }

    @Test func seedsReproduceAndDiffer() {
        let first = draw(200, scores, options(seed: 7))
        #expect(draw(200, scores, options(seed: 7)) == first)
        #expect(draw(200, scores, options(seed: 8)) != first)
        let free = SamplingOptions(temperature: 1)
        #expect(draw(200, scores, free) != draw(200, scores, free))
    }

    @Test func excludedTokensAreNeverChosenWhileThereAreOthers() {
        #expect(choose(scores, excluding: [2]) == 0)
        #expect(choose(scores, excluding: [2, 0, 77]) == 4)
        let tokens = draw(30_000, scores, options(), excluding: [2])
        #expect(isDistributed(tokens, as: [0.5, 0.125, 0, 0.125, 0.25]))
        #expect(choose([1, 2], excluding: [0, 1]) == 1)
    }

    /// The k best by sorting all, against many scores of which some are equal.
    @Test(arguments: [1, 2, 40, 499, 500, 501, 0])
    func topKIsThatOfASort(topK: Int) {
        let many = (0..<500).map { Float(($0 * 7919) % 97) / 32 }
        let excluded: Set<TokenID> = [3, 96, 97, 250, 499]
        let order = many.indices.filter { !excluded.contains(TokenID($0)) }.sorted {
            (-many[$0], $0) < (-many[$1], $1)
        }
        let kept = order.prefix(topK == 0 ? many.count : topK).map { TokenID($0) }
        let drawn = Set(
            draw(8000, many, options(temperature: 1000, topK: topK), excluding: excluded))
        #expect(drawn == Set(kept))
    }

    @Test func greedyPassesOverExcludedTokens() {
        let many = (0..<1000).map { Float(($0 * 7919) % 1000) }
        let falling = many.indices.sorted { many[$0] > many[$1] }.map { TokenID($0) }
        for count in [0, 1, 2, 17, 999] {
            #expect(choose(many, excluding: Set(falling.prefix(count))) == falling[count])
        }
        #expect(choose(many, excluding: Set(falling)) == falling[0])
        #expect(choose([-.infinity, -.infinity, 1], excluding: [0, 2]) == 1)
    }

    @Test func extremeScoresAndOptionsChooseSomeToken() {
        let huge: [Float] = [-.greatestFiniteMagnitude, .greatestFiniteMagnitude, 0]
        #expect(Set(draw(100, huge, options())) == [1])
        #expect(Set(draw(100, huge, options(temperature: .leastNonzeroMagnitude))) == [1])
        #expect(Set(draw(100, [0, 0], options(temperature: .greatestFiniteMagnitude))) == [0, 1])
        var reward = options()
        reward.repetitionPenalty = .leastNonzeroMagnitude
        let chosen = draw(100, huge, reward, recent: [0, 1, 2])
        #expect(chosen.allSatisfy { (0..<3).contains($0) })
    }

    // MARK: Options

    @Test func optionsOutsideTheirRangeAreRefused() throws {
        func refusal(_ change: (inout GenerationOptions) -> Void) -> String? {
            var options = GenerationOptions()
            change(&options)
            do {
                try options.validate()
                return nil
            } catch {
                return "\(error)"
            }
        }
        #expect(refusal { _ in } == nil)
        #expect(
            refusal { $0.sampling.temperature = -0.5 } == "temperature is -0.5, expected 0 or more")
        #expect(refusal { $0.sampling.temperature = .nan } != nil)
        #expect(refusal { $0.sampling.temperature = .infinity } != nil)
        #expect(refusal { $0.sampling.topK = -1 } == "top-k is -1, expected 0 or more")
        for topP in [0, -1, 1.01, Float.nan] {
            #expect(
                refusal { $0.sampling.topP = topP }
                    == "top-p is \(topP), expected more than 0, at most 1")
        }
        for minP in [-0.01, 1.01, Float.nan] {
            #expect(refusal { $0.sampling.minP = minP } == "min-p is \(minP), expected 0 to 1")
        }
        for penalty in [0, -1, Float.nan, .infinity] {
            #expect(
                refusal { $0.sampling.repetitionPenalty = penalty }
                    == "repetition penalty is \(penalty), expected more than 0")
        }
        #expect(
            refusal { $0.sampling.repetitionWindow = -1 }
                == "repetition window is -1, expected 0 or more")
        #expect(
            refusal { $0.maxNewTokens = 0 }
                == "the number of new tokens is 0, expected 1 or more")
    }
}
