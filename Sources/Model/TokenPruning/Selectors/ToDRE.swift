// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// The selection of ToDRE (arXiv 2505.18757): the most attended token, then those least like all that are kept.
///
/// Its second stage is left out: it drops all visual tokens in a deep layer of the decoder. The paper takes the first token
/// from LLaVA-NeXT's tile of the whole picture; here it may be of any tile.
public struct ToDRE: TokenSelector {
    /// Facts about it that need no run.
    public let info = SelectorInfo(
        "todre", "the most attended, then diverse (ToDRE)", needs: [.attention])

    /// A selector without options.
    public init() {}

    /// Adds the token with the least sum of cosines with those kept, again and again.
    public func choose(
        from input: SelectionInput, keep: Int, ops: TensorOps
    ) throws(PruningError) -> [Int] {
        let attention = try info.require(input.attention, .attention)
        let rows = try ops.unitRows(of: input.embeddings, input: "visual token embeddings")
        let mostAttended = attention.indexOfLargest(tolerance: 0)
        return try repMax(rows, keep: keep, first: mostAttended, ops: ops)
    }
}
