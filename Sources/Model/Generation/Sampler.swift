// SPDX-License-Identifier: Apache-2.0
import Foundation
import TensorOps
import Tokenization

/// Chooses tokens from scores.
public struct Sampler {
    private struct Candidate {
        let token: TokenID
        let score: Float
    }

    private let options: SamplingOptions
    private let excluded: Set<TokenID>
    private var random: SplitMix64
    // Memory that is kept from token to token.
    private var scores: [Float] = []
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
        self.scores.removeAll(keepingCapacity: true)
        self.scores.append(contentsOf: scores)
        penalize(recent: recent.suffix(options.repetitionWindow))
        let excluded = excludes ? self.excluded : []
        // Where all are excluded, none is.
        if options.temperature == 0 { return best(excluding: excluded) ?? best(excluding: []) ?? 0 }
        keepTopK(excluding: excluded)
        if candidates.isEmpty { keepTopK(excluding: []) }
        keepProbable()
        return draw()
    }

    private mutating func penalize(recent: ArraySlice<TokenID>) {
        guard options.repetitionPenalty != 1 else { return }
        for token in Set(recent) where scores.indices.contains(Int(token)) {
            let score = scores[Int(token)]
            scores[Int(token)] =
                score > 0 ? score / options.repetitionPenalty : score * options.repetitionPenalty
        }
    }

    /// The lowest token among those with the best score; nil if all are excluded.
    ///
    /// Few scores exceed all before them, so exclusion is rarely looked up.
    private func best(excluding excluded: Set<TokenID>) -> TokenID? {
        var best: TokenID?
        var bestScore = -Float.infinity
        for (index, score) in scores.enumerated() where score > bestScore || best == nil {
            let token = TokenID(index)
            guard !excluded.contains(token) else { continue }
            (best, bestScore) = (token, score)
        }
        return best
    }

    /// Makes candidates of the best k tokens, by falling score, lower tokens first among equals.
    private mutating func keepTopK(excluding excluded: Set<TokenID>) {
        candidates.removeAll(keepingCapacity: true)
        let most = options.topK > 0 ? min(options.topK, scores.count) : scores.count
        if most == scores.count {
            for (index, score) in scores.enumerated() where !excluded.contains(TokenID(index)) {
                candidates.append(Candidate(token: TokenID(index), score: score))
            }
            candidates.sort {
                $0.score != $1.score ? $0.score > $1.score : $0.token < $1.token
            }
            return
        }
        for (index, score) in scores.enumerated() {
            let isFull = candidates.count == most
            if isFull, score <= candidates[most - 1].score { continue }
            guard !excluded.contains(TokenID(index)) else { continue }
            if isFull { candidates.removeLast() }
            candidates.insert(
                Candidate(token: TokenID(index), score: score), at: placeAmongCandidates(score))
        }
    }

    /// How many candidates have at least this score.
    private func placeAmongCandidates(_ score: Float) -> Int {
        var (low, high) = (0, candidates.count)
        while low < high {
            let middle = (low + high) / 2
            if candidates[middle].score >= score { low = middle + 1 } else { high = middle }
        }
        return low
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
