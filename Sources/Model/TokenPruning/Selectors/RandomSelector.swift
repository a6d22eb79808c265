// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// A baseline: tokens at random, every set of them as likely.
///
/// The tokens kept at one budget are among those kept at a larger one.
public struct RandomSelector: TokenSelector {
    /// What is known of it without running it.
    public let info = SelectorInfo("random", "a random set, the same for the same seed (baseline)")
    /// Where its random numbers start.
    public let seed: UInt64

    /// The selector whose random numbers start at `seed`.
    public init(seed: UInt64 = 0) {
        self.seed = seed
    }

    /// Looks at the number of tokens alone.
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
