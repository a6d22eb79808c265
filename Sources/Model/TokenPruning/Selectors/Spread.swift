// SPDX-License-Identifier: Apache-2.0
import TensorOps

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Keeps tokens that are spread over what is distinct in the picture; a rule of our own.
///
/// Like MMTok (arXiv 2508.18264) it covers the picture greedily: each step keeps the token that adds most to
/// `Σ_i weight_i · max_kept K_ij`. Two things differ:
///
/// - A token covers another if they look alike and lie near each other: `K_ij = exp((cos(F_i, F_j) − 1) / 0.2) ·
///   exp(−|place_i − place_j|² / 2σ²)`. The reach σ follows the distance that the budget leaves between tokens. So two
///   equal objects are two things to cover, and an object is covered evenly.
/// - A token's weight grows with its distance to the mean token, so that a wall counts for little however many tokens
///   show it.
///
/// It does not look at the question. docs/pruning.md has the measurements behind the numbers.
public struct Spread: TokenSelector {
    /// Facts about it that need no run.
    public let info = SelectorInfo(
        "spread", "spread over what is distinct in the picture (ours)", needs: [.features, .places])

    /// The temperature of likeness is MMTok's; the others were chosen on drawn scenes.
    private static let temperature: Float = 0.2
    /// σ as a part of the distance between tokens if the kept ones lay on a grid over all candidates.
    private static let reach: Float = 2
    /// The power of the squared distance to the mean token.
    private static let power: Float = 1.25
    /// The part of a token's weight that does not depend on its distance to the mean, so that the background is kept, too.
    private static let evenShare: Float = 0.02
    /// The most that a squared distance counts for, in mean ones.
    ///
    /// CLIP's towers give a few patches of the background very long vectors (arXiv 2309.16588).
    private static let farthest: Float = 5

    /// A selector without options.
    public init() {}

    /// Covers the picture within a reach that follows from `keep`.
    public func choose(
        from input: SelectionInput, keep: Int, ops: TensorOps
    ) throws(PruningError) -> [Int] {
        let features = try info.require(input.features, .features)
        let places = try info.require(input.places, .places)
        let weights = try distinctness(of: input.embeddings, ops)
        let units = try ops.unitRows(of: features, input: "vision features")
        let coverage = try granted { () throws(MemoryShortage) in try ops.gram(units) }
        let reach = Self.reach * (Float(input.count) / Float(keep)).squareRoot()
        ops.forEachRow(of: coverage) { row, token in
            for other in places.indices {
                let distance = places[token].squaredDistance(to: places[other]) ?? .infinity
                let likeness = (row[other] - 1) / Self.temperature
                row[other] = weights[other] * expf(likeness - distance / (2 * reach * reach))
            }
        }
        let ones = [Float](repeating: 1, count: input.count)
        return coveringTokens(coverage, keep: keep, weights: ones, ops: ops)
    }

    /// What each token counts for: a power of its squared distance to the mean token, and the even share; 1 on average.
    private func distinctness(
        of embeddings: Activations, _ ops: TensorOps
    ) throws(PruningError) -> [Float] {
        let centred = try ops.centredRows(of: embeddings, input: "visual token embeddings")
        let distances = ops.squaredLengths(of: centred)
        // In double precision, because the sum of large squares could overflow.
        let mean = distances.reduce(0) { $0 + Double($1) } / Double(distances.count)
        guard mean > 0 else { return [Float](repeating: 1, count: distances.count) }
        let powers = distances.map {
            powf(min(Float(Double($0) / mean), Self.farthest), Self.power)
        }
        let meanPower = powers.reduce(0, +) / Float(powers.count)
        return powers.map { Self.evenShare + (1 - Self.evenShare) * $0 / meanPower }
    }
}
