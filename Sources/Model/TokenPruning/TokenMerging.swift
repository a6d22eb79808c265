// SPDX-License-Identifier: Apache-2.0
import TensorOps

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What becomes of the visual tokens that a selector drops.
///
/// ToMe (arXiv 2210.09461) and VisionZip (arXiv 2412.04467) average tokens into the one that they resemble most, PruMerge
/// (arXiv 2403.15388) by how much they resemble it. The limit of likeness is ours: a token unlike all that are kept would
/// only blur one of them.
public enum TokenMerging: String, CaseIterable, Sendable {
    /// They are gone.
    case none
    /// Each is averaged into the kept token that it resembles most.
    case mean
    /// The same, weighted by its likeness.
    case weighted

    /// The least cosine between a token and the one that it is averaged into.
    private static let leastLikeness: Float = 0.9
    /// The temperature of a weight, as that of MMTok's likeness.
    private static let temperature: Float = 0.2

    /// The kept tokens after what was dropped has been averaged into them.
    ///
    /// - Parameters:
    ///   - tokens: all candidates, `[candidates, width]`; their cosines say which resemble each other.
    ///   - kept: ascending indices of the kept ones.
    /// - Returns: `[kept, width]`.
    /// - Throws: `PruningError.notFinite` when the square of a row's length overflows, `PruningError.noMemory`.
    public func merged(
        _ tokens: Activations, kept: [Int], ops: TensorOps
    ) throws(PruningError) -> Activations {
        let result = try granted { () throws(MemoryShortage) in try ops.gather(kept, of: tokens) }
        guard self != .none, kept.count < tokens.rows, !kept.isEmpty else { return result }
        let place = "visual token embeddings"
        let units = try ops.unitRows(of: tokens, input: place)
        let keptUnits = try ops.unitRows(of: tokens, kept, input: place)
        let cosines = try granted { () throws(MemoryShortage) in
            try ops.products(of: units, with: keptUnits)
        }
        let isKept = Set(kept)
        var weights = [Float](repeating: 1, count: kept.count)
        for token in 0..<tokens.rows where !isKept.contains(token) {
            let likeness = [Float](
                UnsafeBufferPointer(start: cosines.row(token), count: kept.count))
            let nearest = likeness.indexOfLargest(tolerance: cosineTolerance)
            guard likeness[nearest] >= Self.leastLikeness else { continue }
            let weight = self == .mean ? 1 : expf((likeness[nearest] - 1) / Self.temperature)
            let (sum, row) = (result.row(nearest), tokens.row(token))
            for column in 0..<tokens.width { sum[column] += weight * row[column] }
            weights[nearest] += weight
        }
        for (row, weight) in weights.enumerated() where weight > 1 {
            for column in 0..<tokens.width { result.row(row)[column] /= weight }
        }
        return result
    }
}
