// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// TrimTokenator (arXiv 2509.00320): drops the tokens least aligned with the question, then keeps the
/// most diverse of the rest.
public struct TrimTokenator: TokenSelector {
    /// Facts about it that need no run.
    public let info = SelectorInfo(
        "trimtokenator", "aligned with the question, then diverse (TrimTokenator)", needs: [.text])
    /// How the first stage measures alignment.
    public let metric: AlignmentMetric
    /// The share of tokens that the first stage keeps, 0 to 1; never fewer than asked for.
    public let alignedShare: Double

    /// The default share is the published one.
    ///
    /// The default measure is not, for reasons in ARCHITECTURE.md.
    public init(metric: AlignmentMetric = .cosine, alignedShare: Double = 0.8) {
        precondition(alignedShare >= 0 && alignedShare <= 1)
        self.metric = metric
        self.alignedShare = alignedShare
    }

    /// Both stages; without a question the second alone.
    public func choose(
        from input: SelectionInput, keep: Int, ops: TensorOps
    ) throws(PruningError) -> [Int] {
        var aligned = Array(0..<input.count)
        let alignedCount = max(keep, Int(alignedShare * Double(input.count)))
        if let question = input.question, alignedCount < input.count {
            let scores = try metric.scores(of: input.embeddings, with: question, ops: ops)
            aligned = scores.indicesOfLargest(alignedCount).sorted()
        }
        let rows = try ops.unitRows(
            of: input.embeddings, aligned, input: "visual token embeddings")
        return try repMax(rows, keep: keep, ops: ops).map { aligned[$0] }
    }
}
