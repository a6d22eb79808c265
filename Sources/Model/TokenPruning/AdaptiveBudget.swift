// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// The rule of `KeepBudget.automatic`.
///
/// A picture of few different things says as much with fewer tokens. How many *different* tokens it
/// has is measured by the Vendi score of order 2 (arXiv 2310.12952) of its centred tokens: with E the
/// mean squared cosine of two of them, `V = N / (1 + (N − 1) E)`. That is 1 where they differ along one
/// line, c − 1 for c equally large and equally different groups, and N − 1 where all are at right
/// angles. Two tokens are kept for each, within the shares of the budgets that the published methods
/// were measured at: 32 to 192 of LLaVA-1.5's 576.
public enum AdaptiveBudget {
    /// Tokens kept for each different one.
    private static let keptPerDistinctToken: Float = 2
    /// Tokens that are compared with each other; of more, a random sample of this many.
    private static let mostCompared = 576

    /// The fewest and the most that the rule keeps of `candidates`.
    public static func range(of candidates: Int) -> ClosedRange<Int> {
        let fewest = (candidates * 32 + 575) / 576
        return fewest...max(fewest, candidates * 192 / 576)
    }

    /// How many tokens to keep.
    ///
    /// - Parameter embeddings: the candidates, `[candidates, width]`.
    /// - Throws: `PruningError.notFinite`.
    public static func count(
        for embeddings: Activations, ops: TensorOps
    ) throws(PruningError) -> Int {
        let range = range(of: embeddings.rows)
        guard embeddings.rows > 1 else { return range.lowerBound }
        let distinct = try distinctTokens(in: embeddings, ops: ops)
        let wanted = Int((keptPerDistinctToken * distinct).rounded(.up))
        return min(max(wanted, range.lowerBound), range.upperBound)
    }

    /// The number of effectively different tokens, 1 to `embeddings.rows`, of at least two.
    static func distinctTokens(
        in embeddings: Activations, ops: TensorOps
    ) throws(PruningError) -> Float {
        let (all, compared) = (embeddings.rows, min(embeddings.rows, mostCompared))
        let sample = RandomSelector().draw(compared, of: all).sorted()
        let rows = try ops.centredUnitRows(
            of: embeddings, sample, input: "visual token embeddings")
        // A token that equals the mean is like no other; counting it as such would make a blank
        // picture the most diverse, so it takes no part.
        let present = ops.squaredLengths(of: rows).count { $0 > 0 }
        guard present > 1 else { return Float(max(1, present)) }
        let cosines = ops.gram(rows)
        let squares = ops.squaredLengths(of: cosines).reduce(0, +)
        let pairs = Float(present) * Float(present - 1)
        let meanSquare = max(0, squares - Float(present)) / pairs
        let count = Float(present) * Float(all) / Float(compared)
        return count / (1 + (count - 1) * meanSquare)
    }
}
