// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// The rule of `KeepBudget.adaptive`.
///
/// What a picture shows lies in the tokens that differ from its mean: a plain wall has hundreds of
/// tokens near it. How many stand out is the participation ratio of their squared distances d to
/// the mean, `(Σ d)² / Σ d²`: n where n tokens are equally far and all others at the mean. The rule
/// keeps a part of that many, which follows from the share of the unpruned answers that is wanted (`AutomaticRule`), within
/// the range of budgets that the published methods were measured with: 32 to 192 of LLaVA-1.5's 576.
public enum AdaptiveBudget {
    /// The share of the unpruned answers that is wanted unless another one is named, in per cent.
    public static let defaultQuality = 98.0
    /// The shares that the rule was measured for.
    public static let qualities = 90.0...100.0

    /// The fewest and the most that the rule keeps of `candidates`.
    public static func range(of candidates: Int) -> ClosedRange<Int> {
        let fewest = (candidates * 32 + 575) / 576
        return fewest...max(fewest, candidates * 192 / 576)
    }

    /// How many tokens to keep.
    ///
    /// - Parameters:
    ///   - embeddings: the candidates, `[candidates, width]`.
    ///   - quality: the share of the unpruned answers that is wanted, in per cent; one of `qualities`.
    ///   - rule: how many tokens that share takes.
    /// - Throws: `PruningError.notFinite`.
    public static func count(
        for embeddings: Activations, quality: Double = defaultQuality,
        rule: AutomaticRule = .drawnScenes, ops: TensorOps
    ) throws(PruningError) -> Int {
        let range = range(of: embeddings.rows)
        guard embeddings.rows > 1 else { return range.lowerBound }
        let wanted =
            try outstandingTokens(in: embeddings, ops: ops)
            * rule.tokensPerOutstanding(for: quality)
        return min(max(Int(wanted.rounded(.up)), range.lowerBound), range.upperBound)
    }

    /// The effective number of tokens that stand out, given at least one token; 0 if all are alike.
    static func outstandingTokens(
        in embeddings: Activations, ops: TensorOps
    ) throws(PruningError) -> Double {
        let centred = try ops.centredRows(of: embeddings, input: "visual token embeddings")
        let distances = ops.squaredLengths(of: centred).map(Double.init)
        let sum = distances.reduce(0, +)
        guard sum > 0 else { return 0 }
        // Shares of the sum, because squares of large distances could overflow and those of small
        // ones underflow.
        return 1 / distances.reduce(0) { $0 + ($1 / sum) * ($1 / sum) }
    }
}
