// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// SCOPE (arXiv 2510.24214): keeps salient tokens that cover the others.
public struct Scope: TokenSelector {
    /// Facts about it that need no run.
    public let info = SelectorInfo(
        "scope", "salient and covering the picture (SCOPE)", needs: [.features, .attention])

    /// A selector without options.
    public init() {}

    /// A token covers another by the cosine of their features; its gain is weighted by the class
    /// token's attention.
    public func choose(
        from input: SelectionInput, keep: Int, ops: TensorOps
    ) throws(PruningError) -> [Int] {
        let features = try info.require(input.features, .features)
        let attention = try info.require(input.attention, .attention)
        let units = try ops.unitRows(of: features, input: "vision features")
        let cosines = try granted { () throws(MemoryShortage) in try ops.gram(units) }
        return coveringTokens(cosines, keep: keep, weights: attention, ops: ops)
    }
}
