// SPDX-License-Identifier: Apache-2.0

/// Options of the selectors; each reads its own.
public struct SelectorOptions: Sendable, Equatable {
    /// How `trimtokenator` measures a token's alignment with the question.
    public var alignment: AlignmentMetric
    /// The share of tokens that `trimtokenator`'s first stage keeps.
    public var alignedShare: Double
    /// The seed of `random`.
    public var seed: UInt64

    /// By default the published share, and the measure that ARCHITECTURE.md gives reasons for.
    public init(
        alignment: AlignmentMetric = .cosine, alignedShare: Double = 0.8, seed: UInt64 = 0
    ) {
        self.alignment = alignment
        self.alignedShare = alignedShare
        self.seed = seed
    }

    /// - Throws: `PruningError.invalidOption` for a number outside its range.
    public func validate() throws(PruningError) {
        guard alignedShare >= 0 && alignedShare <= 1 else {
            throw .invalidOption(
                name: "the share of aligned tokens", value: "\(alignedShare)", expected: "0 to 1")
        }
    }
}

/// The table of selectors.
public enum TokenSelectors {
    /// Every selector, the default first, the baselines last.
    public static func all(_ options: SelectorOptions = SelectorOptions()) -> [any TokenSelector] {
        [
            Spread(),
            MMTok(),
            TrimTokenator(metric: options.alignment, alignedShare: options.alignedShare),
            DivPrune(),
            CenPrune(),
            Scope(),
            CDPruner(),
            VisionZip(),
            ToDRE(),
            HiPrune(),
            RandomSelector(seed: options.seed),
            UniformSelector(),
        ]
    }

    /// The names of all selectors.
    public static let names = all().map(\.info.name)

    /// The selector of that name.
    ///
    /// - Throws: `PruningError.unknownSelector`, `PruningError.invalidOption`.
    public static func named(
        _ name: String, _ options: SelectorOptions = SelectorOptions()
    ) throws(PruningError) -> any TokenSelector {
        try options.validate()
        guard let selector = all(options).first(where: { $0.info.name == name }) else {
            throw .unknownSelector(name: name, available: names)
        }
        return selector
    }
}
