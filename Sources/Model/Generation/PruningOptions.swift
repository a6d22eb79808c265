// SPDX-License-Identifier: Apache-2.0
import TokenPruning

/// Which visual tokens enter the decoder.
public struct PruningOptions: Sendable, Equatable {
    /// Where the rotary embedding places the rows of a pruned prompt.
    public enum Positions: String, CaseIterable, Sendable {
        /// Original ones, unless they would leave the trained context; then compact ones.
        case automatic = "auto"
        /// Where they would be without pruning; the text after a picture, too.
        case original
        /// One after the other.
        case compact
    }

    /// How many of a picture's patches are kept.
    public var budget: KeepBudget
    /// The name of the selector, one of `TokenSelectors.names`.
    public var selector: String
    /// What can be chosen about selectors.
    public var selectorOptions: SelectorOptions
    /// What becomes of the patches that are dropped.
    public var merging: TokenMerging
    /// The kept rows' positions.
    public var positions: Positions

    /// Whether several pictures share their budgets, by `SeveralPictures` instead of the selector: those
    /// with more to see get more.
    public var sharesBudget: Bool
    /// Whether every question of a conversation selects anew among the visual tokens of all its
    /// pictures, which are then read again; otherwise the first question's selection stays.
    public var reselects: Bool

    /// The default selector and original positions, unless given.
    public init(
        budget: KeepBudget, selector: String = TokenSelectors.names[0],
        selectorOptions: SelectorOptions = SelectorOptions(), merging: TokenMerging = .none,
        positions: Positions = .automatic, sharesBudget: Bool = false, reselects: Bool = false
    ) {
        self.budget = budget
        self.selector = selector
        self.selectorOptions = selectorOptions
        self.merging = merging
        self.positions = positions
        self.sharesBudget = sharesBudget
        self.reselects = reselects
    }
}
