// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// A baseline: tokens at equal distances in raster order.
public struct UniformSelector: TokenSelector {
    /// Facts about it that need no run.
    public let info = SelectorInfo("uniform", "equal distances in raster order (baseline)")

    /// A selector without options.
    public init() {}

    /// The tokens in the middles of `keep` equal stretches.
    public func choose(
        from input: SelectionInput, keep: Int, ops: TensorOps
    ) throws(PruningError) -> [Int] {
        (0..<keep).map { (2 * $0 + 1) * input.count / (2 * keep) }
    }
}
