// SPDX-License-Identifier: Apache-2.0
import Pictures
import TokenPruning
import TrimLLaVA

/// One way to fewer visual tokens that is evaluated.
public struct EvaluationSetting: Sendable, Equatable {
    /// The pruning; nil for the unpruned model.
    public let pruning: PruningOptions?
    /// How much smaller pictures become before the model sees them; nil where it sees them whole.
    public let reduction: PictureReduction?

    /// A setting with this pruning; nil for none.
    public init(_ pruning: PruningOptions?) { (self.pruning, reduction) = (pruning, nil) }

    /// The unpruned model, given smaller pictures.
    public init(_ reduction: PictureReduction) { (pruning, self.reduction) = (nil, reduction) }

    /// What chooses the visual tokens: a selector, `fewer-pixels`, or nothing.
    public var method: String {
        reduction == nil ? pruning?.selector ?? "unpruned" : "fewer-pixels"
    }

    /// How much is left: a budget, `one-tile`, or everything.
    public var kept: String {
        reduction.map { "\($0)" } ?? pruning.map { "\($0.budget)" } ?? "all"
    }

    /// Its name in answers and tables, such as `trimtokenator 64 original`.
    public var name: String {
        guard let pruning else { return reduction == nil ? method : "\(method) \(kept)" }
        let positions = pruning.positions == .automatic ? "" : " \(pruning.positions.rawValue)"
        let merging = pruning.merging == .none ? "" : " \(pruning.merging)"
        return "\(pruning.sharesBudget ? "shared" : method) \(kept)\(positions)\(merging)"
    }

    /// All that answers at this setting depend on besides question and pictures.
    var condition: String {
        pruning.map { "\($0)" } ?? reduction.map { "fewer pixels \($0)" } ?? "unpruned"
    }

    /// Every selector at every budget with every kind of positions and merging, the unpruned model first.
    public static func grid(
        budgets: [KeepBudget], selectors: [String], positions: [PruningOptions.Positions],
        merging: [TokenMerging] = [.none], options: SelectorOptions, sharesBudget: Bool
    ) -> [EvaluationSetting] {
        [EvaluationSetting(nil)]
            + positions.flatMap { positions in
                merging.flatMap { merging in
                    selectors.flatMap { selector in
                        budgets.map { budget in
                            EvaluationSetting(
                                PruningOptions(
                                    budget: budget, selector: selector, selectorOptions: options,
                                    merging: merging, positions: positions,
                                    sharesBudget: sharesBudget))
                        }
                    }
                }
            }
    }

    /// The unpruned model on pictures that are about as large as budgets keep of them.
    ///
    /// There are none for a model that makes the same number of visual tokens of all pictures.
    public static func fewerPixels(
        beside budgets: [KeepBudget], for llava: LLaVA
    ) -> [EvaluationSetting] {
        guard let encoder = try? llava.model.pictureEncoder else { return [] }
        return PictureReduction.all(beside: budgets, for: encoder).map { EvaluationSetting($0) }
    }

    /// The inputs that the settings' selectors and merging need.
    static func needs(of settings: [EvaluationSetting]) throws(PruningError) -> Set<SelectionNeed> {
        var needs: Set<SelectionNeed> = []
        for case let pruning? in settings.map(\.pruning) {
            needs.formUnion(
                try TokenSelectors.named(pruning.selector, pruning.selectorOptions).info.needs)
            needs.formUnion(pruning.merging.needs)
        }
        return needs
    }
}
