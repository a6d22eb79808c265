// SPDX-License-Identifier: Apache-2.0
import Foundation
import TensorOps
import Tokenization

/// Chooses tokens from scores.
public struct Sampler {
    private struct Candidate {
        let token: TokenID
        var score: Float
    }

    private let options: SamplingOptions
    private let excluded: Set<TokenID>
    private var random: SplitMix64
    /// Memory that is kept from token to token.
    private var candidates: [Candidate] = []

    /// A sampler with its own random numbers; it chooses an `excluded` token only when there is no
    /// other.
    public init(_ options: SamplingOptions, excluding excluded: Set<TokenID> = []) {
        self.options = options
        self.excluded = excluded
        random = SplitMix64(
            seed: options.seed ?? UInt64.random(in: .min ... .max))
    }

    /// The next token.
    ///
    /// - Parameters:
    ///   - scores: one per token; equal best scores go to the lowest token.
    ///   - recent: the sequence so far, as far as the repetition penalty looks.
    ///   - excludes: whether excluded tokens are excluded this time.
    public mutating func next(
        _ scores: UnsafeBufferPointer<Float>, recent: ArraySlice<TokenID>, excludes: Bool = true
    ) -> TokenID {
        candidates.removeAll(keepingCapacity: true)
        for (token, score) in scores.enumerated() {
            candidates.append(Candidate(token: TokenID(token), score: score))
        }
        penalize(recent: recent.suffix(options.repetitionWindow))
        if excludes { exclude() }
        guard options.temperature > 0 else { return best.token }
        keepTopK()
        keepProbable()
        return draw()
    }

    private mutating func penalize(recent: ArraySlice<TokenID>) {
        guard options.repetitionPenalty != 1 else { return }
        for token in Set(recent) where candidates.indices.contains(Int(token)) {
            let score = candidates[Int(token)].score
            candidates[Int(token)].score =
                score > 0 ? score / options.repetitionPenalty : score * options.repetitionPenalty
        }
    }

    private mutating func exclude() {
        guard !excluded.isEmpty, candidates.contains(where: { !excluded.contains($0.token) }) else {
            return
        }
        candidates.removeAll { excluded.contains($0.token) }
    }

    private var best: Candidate {
        candidates.reduce(candidates[0]) { $1.score > $0.score ? $1 : $0 }
    }

    /// Sorts by falling score, lower tokens first among equals, and cuts at k.
    private mutating func keepTopK() {
        candidates.sort {
            $0.score != $1.score ? $0.score > $1.score : $0.token < $1.token
        }
        if options.topK > 0, options.topK < candidates.count {
            candidates.removeLast(candidates.count - options.topK)
        }
    }

    private mutating func keepProbable() {
        let probabilities = Self.probabilities(candidates, temperature: 1)
        var sum = 0.0
        var kept = 0
        for probability in probabilities {
            let isNucleus = sum < Double(options.topP)
            let isLikely = probability >= Double(options.minP) * probabilities[0]
            guard isNucleus && isLikely else { break }
            sum += probability
            kept += 1
        }
        candidates.removeLast(candidates.count - max(1, kept))
    }

    private mutating func draw() -> TokenID {
        let probabilities = Self.probabilities(candidates, temperature: options.temperature)
        var rest = Double.random(in: 0..<1, using: &random)
        for (candidate, probability) in zip(candidates, probabilities) {
            rest -= probability
            if rest < 0 { return candidate.token }
        }
        return candidates[candidates.count - 1].token
    }

    /// Probabilities of candidates whose first has the best score.
    private static func probabilities(_ candidates: [Candidate], temperature: Float) -> [Double] {
        let best = candidates[0].score
        let weights = candidates.map { exp(Double(($0.score - best) / temperature)) }
        let sum = weights.reduce(0, +)
        return weights.map { $0 / sum }
    }
}
