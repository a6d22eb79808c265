// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// Facts about a selector that need no run.
public struct SelectorInfo: Sendable, Equatable {
    /// What the command line calls it.
    public let name: String
    /// One line for the help.
    public let summary: String
    /// The inputs that it uses besides the visual tokens.
    ///
    /// All but `text` are required; without it, a selector judges the picture alone.
    public let needs: Set<SelectionNeed>

    /// Whether another question may select other tokens.
    public var isQuestionAware: Bool { needs.contains(.text) }

    init(_ name: String, _ summary: String, needs: Set<SelectionNeed> = []) {
        self.name = name
        self.summary = summary
        self.needs = needs
    }

    /// The input that the selector needs.
    func require<Value>(_ value: Value?, _ need: SelectionNeed) throws(PruningError) -> Value {
        guard let value else { throw .missingInput(selector: name, need: need) }
        return value
    }
}

/// The tokens that a selector kept.
public struct Selection: Sendable, Equatable {
    /// Their indices among the candidates, ascending.
    public let indices: [Int]
    /// Whether a question-aware selector had no text tokens, and judged the picture alone.
    public let lacksQuestion: Bool
}

/// A rule that keeps some of a picture's visual tokens.
///
/// Selectors are pure: the same input gives the same indices, for any number of threads. Ties go to
/// the lowest index.
public protocol TokenSelector: Sendable {
    /// Facts about it that need no run.
    var info: SelectorInfo { get }

    /// The indices of `keep` tokens in any order.
    ///
    /// Called by `select` with an input that holds what `info.needs`, all finite, and
    /// `0 < keep < input.count`.
    func choose(
        from input: SelectionInput, keep: Int, ops: TensorOps
    ) throws(PruningError) -> [Int]
}

extension TokenSelector {
    /// Keeps `keep` tokens, or all of them when there are no more.
    ///
    /// - Throws: `PruningError.keepsNothing` for a `keep` below 1, and when the input lacks what
    ///   the selector needs, has mismatched shapes, or is non-finite.
    public func select(
        _ input: SelectionInput, keep: Int, ops: TensorOps
    ) throws(PruningError) -> Selection {
        guard keep > 0 else { throw .keepsNothing(keep: keep) }
        try input.validate(for: info)
        let lacksQuestion = info.isQuestionAware && input.question == nil
        guard keep < input.count else {
            return Selection(indices: Array(0..<input.count), lacksQuestion: lacksQuestion)
        }
        let chosen = try choose(from: input, keep: keep, ops: ops)
        precondition(
            chosen.count == keep && Set(chosen).count == keep,
            "\(info.name) chose \(chosen.count) of \(keep) tokens, or one twice")
        return Selection(indices: chosen.sorted(), lacksQuestion: lacksQuestion)
    }
}
