// SPDX-License-Identifier: Apache-2.0
import Imaging
import TokenPruning
import Weights

/// Why a prompt cannot be answered.
public enum GenerationError: Error, Equatable {
    /// The model refused, or had to stop.
    case model(ModelError)
    /// The prompt has no rows.
    case emptyPrompt
    /// The prompt needs more rows than are left.
    case promptTooLong(rows: Int, visualRows: Int, used: Int, context: Int)
    /// The prompt speaks of other pictures than were given.
    case pictureMismatch(inPrompt: Int, given: Int)
    /// The tokenizer knows tokens that the model has no embedding for.
    case vocabularyMismatch(tokenizer: Int, embeddings: Int)
    /// Visual tokens cannot be selected.
    case pruning(PruningError)
    /// The prompt's positions leave the range that the model was trained for.
    case positionsTooLarge(needed: Int, contextLength: Int, positions: PruningOptions.Positions)
    /// As many requests wait as may.
    case queueFull(limit: Int)
    /// No more requests are taken.
    case closed
    /// A picture cannot be read.
    case picture(ImagingError)
    /// A sampling option is outside its range.
    case invalidOption(name: String, value: String, expected: String)
}

extension GenerationError: CustomStringConvertible {
    /// One sentence for the user.
    public var description: String {
        switch self {
        case .model(let error):
            "\(error)"
        case .emptyPrompt:
            "the prompt is empty"
        case .promptTooLong(let rows, let visualRows, let used, let context):
            """
            the prompt takes \(rows) rows (\(visualRows) of them visual tokens)\
            \(used > 0 ? " after the conversation's \(used)" : ""), which leaves no room for an \
            answer in a context of \(context) rows; a longer context or fewer visual tokens make room
            """
        case .pictureMismatch(let inPrompt, let given):
            "the prompt refers to \(inPrompt) pictures, but \(given) were given"
        case .vocabularyMismatch(let tokenizer, let embeddings):
            "the tokenizer has \(tokenizer) tokens, but the model has embeddings for \(embeddings)"
        case .pruning(let error):
            "\(error)"
        case .positionsTooLarge(let needed, let contextLength, let positions):
            """
            the prompt and its answer need \(needed) \(positions) positions, but the model was trained \
            for \(contextLength)
            """
        case .queueFull(let limit):
            "\(limit) requests are waiting already"
        case .closed:
            "no more requests are taken"
        case .picture(let error):
            "\(error)"
        case .invalidOption(let name, let value, let expected):
            "\(name) is \(value), expected \(expected)"
        }
    }
}

/// Calls `body` and wraps what the model throws.
func modelled<Value>(
    _ body: () throws(ModelError) -> Value
) throws(GenerationError) -> Value {
    do { return try body() } catch { throw .model(error) }
}
