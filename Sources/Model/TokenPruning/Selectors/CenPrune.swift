// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// DivPrune on centred tokens: diversity is judged by what sets a token apart from the picture's mean,
/// and tokens unlike most others count more.
public struct CenPrune: TokenSelector {
    /// Facts about it that need no run.
    public let info = SelectorInfo("cenprune", "DivPrune on centred, weighted tokens (CenPrune)")

    /// A selector without options.
    public init() {}

    /// Weights are the negative mean cosines of the tokens as they are, scaled to 0…1.
    public func choose(
        from input: SelectionInput, keep: Int, ops: TensorOps
    ) throws(PruningError) -> [Int] {
        let place = "visual token embeddings"
        let units = try ops.unitRows(of: input.embeddings, input: place)
        let meanCosines = ops.products(of: units, with: ops.mean(of: units))
        let weights = meanCosines.map { -$0 }.scaledToUnitRange()
        let centred = try ops.centredUnitRows(of: input.embeddings, input: place)
        return try farthestTokens(centred, keep: keep, weights: weights, ops: ops)
    }
}
