// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// A baseline: tokens at random, every set of them as likely.
///
/// The tokens kept at one budget are among those kept at a larger one.
public struct RandomSelector: TokenSelector {
    /// Facts about it that need no run.
    public let info = SelectorInfo("random", "a random set, the same for the same seed (baseline)")
    /// The seed of its random numbers.
    public let seed: UInt64

    /// A selector with a seed for its random numbers.
    public init(seed: UInt64 = 0) {
        self.seed = seed
    }

    /// Uses only the number of tokens.
    public func choose(
        from input: SelectionInput, keep: Int, ops: TensorOps
    ) throws(PruningError) -> [Int] {
        draw(keep, of: input.count)
    }

    /// `keep` of `count` indices: those that draw the smallest numbers.
    func draw(_ keep: Int, of count: Int) -> [Int] {
        var random = SplitMix64(seed: seed)
        let draws = (0..<count).map { (number: random.next(), index: $0) }
        return draws.sorted { $0 < $1 }.prefix(keep).map(\.index)
    }
}
