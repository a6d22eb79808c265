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
            "Method that selects them: \(TokenSelectors.names.joined(separator: ", ")).",
            valueName: "name"))
    var selector = TokenSelectors.names[0]

    @Option(
        help: "Average dropped tokens into the kept one that they resemble: none, mean or weighted."
    )
    var merge: TokenMerging = .none

    @Option(help: "Positions of kept tokens: their original ones, or consecutive ones (compact).")
    var positions: PruningOptions.Positions = .automatic

    @Option(help: "How trimtokenator measures alignment with the question.")
    var alignment: AlignmentMetric = SelectorOptions().alignment

    @Option(
        help: ArgumentHelp(
            "Share of tokens that trimtokenator's first stage keeps.",
            valueName: "share"))
    var alignedShare = SelectorOptions().alignedShare

    @Flag(
        help: """
            Select among all pictures together, so that a picture with more to see keeps more tokens \
            (after TrimTokenator-LC).
            """)
    var shareBudget = false

    @Option(help: ArgumentHelp("Random seed of the selector random.", valueName: "number"))
    var selectorSeed: UInt64 = 0

    func validate() throws {
        do {
            _ = try TokenSelectors.named(selector, selectorOptions)
        } catch {
            throw ValidationError("\(error)")
        }
    }

    /// The options; nil without pruning.
    var options: PruningOptions? { keep.map(options(keeping:)) }

    /// The options with another budget.
    func options(keeping budget: KeepBudget) -> PruningOptions {
        PruningOptions(
            budget: budget, selector: selector, selectorOptions: selectorOptions,
            merging: merge, positions: positions, sharesBudget: shareBudget)
    }

    private var selectorOptions: SelectorOptions {
        SelectorOptions(
            alignment: alignment, alignedShare: alignedShare, seed: selectorSeed)
    }
}

extension PruningOptions.Positions: ExpressibleByArgument {}
extension AlignmentMetric: ExpressibleByArgument {}
extension TokenMerging: ExpressibleByArgument {}
