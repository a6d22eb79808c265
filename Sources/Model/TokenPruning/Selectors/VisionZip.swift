// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// The selection of VisionZip (arXiv 2412.04467): the tokens that the class token attends to most, and
/// some of the others.
///
/// VisionZip also merges what it drops into those others: `TokenMerging.visionzip`.
public struct VisionZip: TokenSelector {
    /// Facts about it that need no run.
    public let info = SelectorInfo(
        "visionzip-select", "most attended, and some others (VisionZip)",
        needs: [.attention])

    /// How many of the kept tokens are contextual, that is, not the most attended: 10 of 64, as published.
    static func contextualCount(of keep: Int) -> Int { keep * 10 / 64 }

    /// A selector without options.
    public init() {}

    /// Of 64 tokens 54 are the most attended, 10 are taken from the others at equal distances.
    public func choose(
        from input: SelectionInput, keep: Int, ops: TensorOps
    ) throws(PruningError) -> [Int] {
        let attention = try info.require(input.attention, .attention)
        let contextualCount = Self.contextualCount(of: keep)
        let dominant = attention.indicesOfLargest(keep - contextualCount)
        let isDominant = Set(dominant)
        let others = attention.indices.filter { !isDominant.contains($0) }
        let distance = contextualCount > 0 ? others.count / contextualCount : 0
        return dominant + (0..<contextualCount).map { others[$0 * distance] }
    }
}
