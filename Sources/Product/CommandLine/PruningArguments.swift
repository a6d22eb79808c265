// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import TrimLLaVA

/// Which visual tokens enter the decoder.
struct PruningArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Visual tokens to keep of each picture: a number, a share such as 11.1%, or auto. "
                + "(default: all)",
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
            "How they are chosen: \(TokenSelectors.names.joined(separator: ", ")).",
            valueName: "name"))
    var selector = TokenSelectors.names[0]

    @Option(help: "Where kept tokens stand: as without pruning, or one after the other.")
    var positions: PruningOptions.Positions = .automatic

    @Option(help: "How trimtokenator measures a token's alignment with the question.")
    var alignment: AlignmentMetric = SelectorOptions().alignment

    @Option(
        help: ArgumentHelp(
            "The share of tokens that trimtokenator keeps for their alignment.",
            valueName: "share"))
    var alignedShare = SelectorOptions().alignedShare

    @Flag(
        help: """
            Let several pictures share their budgets, so that one with more to see keeps more \
            (TrimTokenator-LC as we read it) instead of selecting in each.
            """)
    var shareBudget = false

    @Option(help: ArgumentHelp("Where the selector random starts.", valueName: "number"))
    var selectorSeed: UInt64 = 0

    func validate() throws {
        do {
            _ = try TokenSelectors.named(selector, selectorOptions)
        } catch {
            throw ValidationError("\(error)")
        }
    }

    /// The choice, or nil where nothing is pruned.
    var options: PruningOptions? {
        keep.map { budget in
            PruningOptions(
                budget: budget, selector: selector, selectorOptions: selectorOptions,
                positions: positions, sharesBudget: shareBudget)
        }
    }

    private var selectorOptions: SelectorOptions {
        SelectorOptions(
            alignment: alignment, alignedShare: alignedShare, seed: selectorSeed)
    }
}

extension PruningOptions.Positions: ExpressibleByArgument {}
extension AlignmentMetric: ExpressibleByArgument {}
