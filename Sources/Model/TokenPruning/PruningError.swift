// SPDX-License-Identifier: Apache-2.0

import TensorOps

/// Why visual tokens cannot be selected.
public enum PruningError: Error, Equatable {
    /// No selector of that name.
    case unknownSelector(name: String, available: [String])
    /// A budget that cannot be read, or that keeps nothing.
    case invalidBudget(text: String)
    /// A selector's option outside its range.
    case invalidOption(name: String, value: String, expected: String)
    /// Fewer than one token would be kept.
    case keepsNothing(keep: Int)
    /// The selector needs an input that it was not given.
    case missingInput(selector: String, need: SelectionNeed)
    /// The merging needs an input that it was not given.
    case missingForMerging(TokenMerging, need: SelectionNeed)
    /// Two inputs do not belong to the same tokens or to the same space.
    case shapeMismatch(input: String, found: Int, expected: Int)
    /// An input holds a non-finite number, or a row whose norm overflows.
    case notFinite(input: String)
    /// The system does not grant the memory of a matrix of all candidates.
    case noMemory(byteCount: Int)
}

extension PruningError: CustomStringConvertible {
    /// One sentence for the user.
    public var description: String {
        switch self {
        case .unknownSelector(let name, let available):
            "no token selector is called \(name); there are \(available.joined(separator: ", "))"
        case .invalidBudget(let text):
            """
            cannot keep "\(text)" visual tokens: expected a number from 1 such as 64, a share above 0 % \
            and up to 100 % such as 11.1%, auto, or auto: and a share of the unpruned answers from 90 to 100 % such as auto:95%
            """
        case .invalidOption(let name, let value, let expected):
            "\(name) is \(value), expected \(expected)"
        case .keepsNothing(let keep):
            "a selection of \(keep) visual tokens was asked for; at least 1 must be kept"
        case .missingInput(let selector, let need):
            "the selector \(selector) needs \(need), which it was not given"
        case .missingForMerging(let merging, let need):
            "merging by \(merging) needs \(need), which it was not given"
        case .shapeMismatch(let input, let found, let expected):
            "\(input): \(found) instead of \(expected)"
        case .notFinite(let input):
            "\(input) hold a number that is not finite, or too large to compare"
        case .noMemory(let byteCount):
            """
            there is no memory for \(byteCount) bytes to compare visual tokens in; the selector uniform \
            needs none
            """
        }
    }
}

/// What `body` returns; a shortage of memory becomes an error of the selection.
func granted<Value>(
    _ body: () throws(MemoryShortage) -> Value
) throws(PruningError) -> Value {
    do { return try body() } catch { throw .noMemory(byteCount: error.byteCount) }
}
