// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import TokenPruning
import TrimLLaVA

/// The visual tokens that enter the decoder.
struct PruningArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Visual tokens to keep of each picture: a number, a percentage such as 11.1%, or auto, which keeps what the "
                + "picture needs for 98 % of the answers (auto:95% for 95 %). (default: all)",
            valueName: "budget"),
        transform: { text in
            do {
                return try KeepBudget(parsing: text)
            } catch {
                throw ValidationError("\(error)")
            }
        })
    var keep: KeepBudget?

    @Option(
        help: ArgumentHelp(
            "Method that selects them: \(TokenSelectors.names.joined(separator: ", ")). (default: \(Self.usualSelector))",
            valueName: "name"))
    var selector: String?

    @Option(
        help:
            "Merge dropped tokens into the kept ones that they resemble: \(TokenMerging.names). (default: none)"
    )
    var merge: TokenMerging?

    @Option(
        help:
            "Positions of kept tokens: their original ones, or consecutive ones (compact). (default: auto)"
    )
    var positions: PruningOptions.Positions?

    @Option(
        help:
            "How trimtokenator measures alignment with the question. (default: \(usual.alignment.rawValue))"
    )
    var alignment: AlignmentMetric?

    @Option(
        help: ArgumentHelp(
            "Share of tokens that trimtokenator's first stage keeps. (default: \(usual.alignedShare))",
            valueName: "share"))
    var alignedShare: Double?

    @Flag(
        help: """
            Select among all pictures together, so that a picture with more to see keeps more tokens \
            (after TrimTokenator-LC).
            """)
    var shareBudget = false

    @Option(
        help: ArgumentHelp(
            "Random seed of the selector random. (default: \(usual.seed))", valueName: "number"))
    var selectorSeed: UInt64?

    private static let usual = SelectorOptions()
    private static let usualSelector = TokenSelectors.names[0]

    func validate() throws {
        do {
            _ = try TokenSelectors.named(selector ?? Self.usualSelector, selectorOptions)
        } catch {
            throw ValidationError("\(error)")
        }
    }

    /// Refuses options that would have no effect.
    ///
    /// In `serve` all have: they are the defaults of requests, which may name a budget and another selector.
    func checkEffect() throws {
        let given = [
            ("--selector", selector != nil), ("--merge", merge != nil),
            ("--positions", positions != nil), ("--alignment", alignment != nil),
            ("--aligned-share", alignedShare != nil), ("--share-budget", shareBudget),
            ("--selector-seed", selectorSeed != nil),
        ].filter(\.1).map(\.0)
        if keep == nil, let option = given.first {
            throw ValidationError("\(option) needs --keep")
        }
        for (option, owner) in [
            ("--alignment", "trimtokenator"), ("--aligned-share", "trimtokenator"),
            ("--selector-seed", "random"),
        ] where given.contains(option) && selector != owner {
            // Pictures that share a budget are measured by the same alignment.
            if option == "--alignment", shareBudget { continue }
            throw ValidationError("\(option) needs --selector \(owner)")
        }
    }

    /// The options; nil without pruning.
    var options: PruningOptions? { keep.map(options(keeping:)) }

    /// The options with another budget.
    func options(keeping budget: KeepBudget) -> PruningOptions {
        PruningOptions(
            budget: budget, selector: selector ?? Self.usualSelector,
            selectorOptions: selectorOptions, merging: merge ?? .none,
            positions: positions ?? .automatic, sharesBudget: shareBudget)
    }

    private var selectorOptions: SelectorOptions {
        SelectorOptions(
            alignment: alignment ?? Self.usual.alignment,
            alignedShare: alignedShare ?? Self.usual.alignedShare,
            seed: selectorSeed ?? Self.usual.seed)
    }
}

extension PruningOptions.Positions: ExpressibleByArgument {}
extension AlignmentMetric: ExpressibleByArgument {}
extension TokenMerging: ExpressibleByArgument {
    /// All of them, for help and errors.
    static let names = allCases.map(\.rawValue).joined(separator: ", ")
}
