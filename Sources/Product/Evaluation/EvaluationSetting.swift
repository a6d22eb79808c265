// SPDX-License-Identifier: Apache-2.0
import TokenPruning
import TrimLLaVA

/// One way of pruning that is evaluated.
public struct EvaluationSetting: Sendable, Equatable {
    /// The pruning; nil for the unpruned model.
    public let pruning: PruningOptions?

    /// A setting with this pruning; nil for none.
    public init(_ pruning: PruningOptions?) { self.pruning = pruning }

    /// Its name in answers and tables, such as `trimtokenator 64 original`.
    public var name: String {
        guard let pruning else { return "unpruned" }
        let positions = pruning.positions == .automatic ? "" : " \(pruning.positions.rawValue)"
        let shared = pruning.sharesBudget ? "shared" : pruning.selector
        return "\(shared) \(pruning.budget)\(positions)"
    }

    /// Every selector at every budget with every kind of positions, the unpruned model first.
    public static func grid(
        budgets: [KeepBudget], selectors: [String], positions: [PruningOptions.Positions],
        options: SelectorOptions, sharesBudget: Bool
    ) -> [EvaluationSetting] {
        [EvaluationSetting(nil)]
            + positions.flatMap { positions in
                selectors.flatMap { selector in
                    budgets.map { budget in
                        EvaluationSetting(
                            PruningOptions(
                                budget: budget, selector: selector, selectorOptions: options,
                                positions: positions, sharesBudget: sharesBudget))
                    }
                }
            }
    }

    /// The inputs that the settings' selectors need.
    static func needs(of settings: [EvaluationSetting]) throws(PruningError) -> Set<SelectionNeed> {
        var needs: Set<SelectionNeed> = []
        for case let pruning? in settings.map(\.pruning) {
            needs.formUnion(
                try TokenSelectors.named(pruning.selector, pruning.selectorOptions).info.needs)
        }
        return needs
    }
}
