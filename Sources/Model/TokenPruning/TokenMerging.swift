// SPDX-License-Identifier: Apache-2.0
import TensorOps

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What becomes of the visual tokens that a selector drops.
///
/// The published rules merge before the projector and compare keys of the vision tower. Here all compare and merge the
/// projector's rows, so that they follow any selector.
public enum TokenMerging: String, CaseIterable, Sendable {
    /// They are gone.
    case none
    /// Each is averaged into the kept token that it resembles most, if the cosine is 0.9 or more; the limit is ours.
    case mean
    /// The same, weighted by its likeness; a rule of our own.
    case weighted
    /// Each is averaged into the kept token that it resembles most, and counts as much as that one.
    ///
    /// ToMe (arXiv 2210.09461) and FOLDER (arXiv 2501.02430) merge like this in rounds, each from one half of the tokens
    /// into the other half. Where a selector says which tokens are kept, the halves are what is dropped and what is kept,
    /// and both papers' rules are this one round.
    case tome
    /// The same into contextual tokens alone, as in VisionZip (arXiv 2412.04467): the 10 of 64 kept ones with the least
    /// attention.
    ///
    /// After `visionzip-select` they are VisionZip's own. Its published code adds the mean of what is merged to a token
    /// instead of averaging all.
    case visionzip
    /// Each kept token gains the 32 others that it resembles most, each times its share of the attention, as in PruMerge
    /// (arXiv 2403.15388).
    ///
    /// PruMerge's own selection, and its one token for all that is dropped, are left out.
    case prumerge

    /// The least cosine of the rules that are ours.
    private static let leastLikeness: Float = 0.9
    /// The temperature of a weight, as that of MMTok's likeness.
    private static let temperature: Float = 0.2

    /// What it looks at besides the visual tokens.
    public var needs: Set<SelectionNeed> {
        switch self {
        case .none, .mean, .weighted, .tome: []
        case .visionzip, .prumerge: [.attention]
        }
    }

    /// The kept tokens after what was dropped has been merged into them.
    ///
    /// - Parameters:
    ///   - tokens: all candidates, `[candidates, width]`; their cosines say which resemble each other.
    ///   - kept: ascending indices of the kept ones.
    ///   - attention: how much attention each candidate gets, for rules that need it, `[candidates]`.
    /// - Returns: `[kept, width]`.
    /// - Throws: `PruningError.notFinite` for attention that is not finite and when the square of a row's length overflows,
    ///   `PruningError.missingForMerging`, `PruningError.shapeMismatch`, `PruningError.noMemory`.
    public func merged(
        _ tokens: Activations, kept: [Int], attention: [Float]? = nil, ops: TensorOps
    ) throws(PruningError) -> Activations {
        let result = try granted { () throws(MemoryShortage) in try ops.gather(kept, of: tokens) }
        guard self != .none, kept.count < tokens.rows, !kept.isEmpty else { return result }
        let merge = Merge(tokens: tokens, kept: kept, result: result, ops: ops)
        switch self {
        case .none: break
        case .mean: try merge.average(leastLikeness: Self.leastLikeness)
        case .weighted:
            try merge.average(leastLikeness: Self.leastLikeness) {
                expf(($0 - 1) / Self.temperature)
            }
        case .tome: try merge.average()
        case .visionzip:
            let attention = try require(attention, of: tokens.rows)
            let ranks = kept.map { attention[$0] }.indicesOfLargest(kept.count)
            let contextual = ranks.suffix(VisionZip.contextualCount(of: kept.count)).sorted()
            try merge.average(into: contextual)
        case .prumerge: try merge.addNeighbours(attention: try require(attention, of: tokens.rows))
        }
        return result
    }

    private func require(
        _ attention: [Float]?, of count: Int
    ) throws(PruningError) -> [Float] {
        guard let attention else { throw .missingForMerging(self, need: .attention) }
        guard attention.count == count else {
            throw .shapeMismatch(
                input: "number of rows of the attention", found: attention.count, expected: count)
        }
        guard attention.allSatisfy(\.isFinite) else { throw .notFinite(input: "attention") }
        return attention
    }
}
