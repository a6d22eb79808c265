// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// DivPrune (arXiv 2503.02175): keeps the tokens whose smallest distance to each other is greatest.
public struct DivPrune: TokenSelector {
    /// Facts about it that need no run.
    public let info = SelectorInfo("divprune", "the largest smallest distance (DivPrune)")

    /// A selector without options.
    public init() {}

    /// Starts at the token whose nearest neighbour is farthest.
    public func choose(
        from input: SelectionInput, keep: Int, ops: TensorOps
    ) throws(PruningError) -> [Int] {
        let rows = try ops.unitRows(of: input.embeddings, input: "visual token embeddings")
        let weights = [Float](repeating: 1, count: input.count)
        return try farthestTokens(rows, keep: keep, weights: weights, ops: ops)
    }
}
