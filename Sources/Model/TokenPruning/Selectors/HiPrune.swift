// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// HiPrune (arXiv 2508.00553): tokens on objects, those beside them, and tokens that stand for the whole picture.
///
/// Attention in a middle block of the tower shows where objects are, attention in the last one which tokens gather what is
/// global. The published code takes neighbours by their number: at the end of a line it goes on in the next one, and beyond
/// the first and the last line it takes the first and the last token. Here an anchor at an edge has fewer neighbours. The
/// code gives each tile an equal part of the budget; here all tiles share it.
public struct HiPrune: TokenSelector {
    /// Facts about it that need no run.
    public let info = SelectorInfo(
        "hiprune", "on objects, beside them, and global (HiPrune)",
        needs: [.receivedAttention, .places])

    /// The part of the kept tokens that is for objects, as published.
    private static let objectShare = 0.1
    /// An anchor and its neighbours above, below, left and right.
    private static let tokensPerAnchor = 5.0

    /// A selector without options.
    public init() {}

    /// Anchors by the middle block, their neighbours as buffers, and registers by the last block.
    public func choose(
        from input: SelectionInput, keep: Int, ops: TensorOps
    ) throws(PruningError) -> [Int] {
        let attention = try info.require(input.receivedAttention, .receivedAttention)
        let places = try info.require(input.places, .places)
        let anchorCount = Double(keep) * Self.objectShare / Self.tokensPerAnchor
        let anchors = attention.middle.indicesOfLargest(
            Int(anchorCount.rounded(.toNearestOrEven)))
        let nearAnchors = places.indices.filter { token in
            anchors.contains { anchor in
                places[token].squaredDistance(to: places[anchor]).map { $0 <= 1 } ?? false
            }
        }
        // Where places coincide, an anchor has more neighbours than four.
        let onObjects = nearAnchors.prefix(keep)
        var rest = attention.last
        for token in onObjects { rest[token] = -.infinity }
        return onObjects + rest.indicesOfLargest(keep - onObjects.count)
    }
}
