// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// Inputs that a selector may use besides the visual tokens themselves.
public enum SelectionNeed: String, CaseIterable, Sendable, CustomStringConvertible {
    /// `SelectionInput.features`.
    case features
    /// `SelectionInput.classAttention`.
    case classAttention
    /// `SelectionInput.text`.
    case text

    /// The name of the need in messages.
    public var description: String {
        switch self {
        case .features: "the vision tower's features"
        case .classAttention: "the class token's attention"
        case .text: "the question's tokens"
        }
    }
}

/// The visual tokens that a selector chooses from, and data about them.
public struct SelectionInput: Sendable {
    /// The projector's rows of all candidates, in raster order; newline rows are not candidates.
    public let embeddings: Activations  // [candidates, width]
    /// The vision tower's features of the same patches.
    public let features: Activations?  // [candidates, featureWidth]
    /// How much the class token attends to each patch in the features' layer, summed over heads.
    public let classAttention: [Float]?  // [candidates]
    /// The decoder's embeddings of the question as typed, without template or system prompt.
    public let text: Activations?  // [textTokens, width]

    /// The candidates' embeddings, and what the selector `needs`.
    public init(
        embeddings: Activations, features: Activations? = nil, classAttention: [Float]? = nil,
        text: Activations? = nil
    ) {
        self.embeddings = embeddings
        self.features = features
        self.classAttention = classAttention
        self.text = text
    }

    /// Candidates.
    public var count: Int { embeddings.rows }

    /// The question's tokens, or nil when there are none.
    var question: Activations? { text.flatMap { $0.rows > 0 ? $0 : nil } }

    /// Checks that all inputs of the selector are present, finite and of matching shapes.
    func validate(for selector: SelectorInfo) throws(PruningError) {
        try check(embeddings, "visual token embeddings")
        if selector.needs.contains(.features) {
            let features = try selector.require(features, .features)
            try checkCount(features.rows, "vision features")
            try check(features, "vision features")
        }
        if selector.needs.contains(.classAttention) {
            let classAttention = try selector.require(classAttention, .classAttention)
            try checkCount(classAttention.count, "attention of the class token")
            guard classAttention.allSatisfy(\.isFinite) else {
                throw .notFinite(input: "attention of the class token")
            }
        }
        if selector.needs.contains(.text), let question {
            guard question.width == embeddings.width else {
                throw .shapeMismatch(
                    input: "width of the text embeddings", found: question.width,
                    expected: embeddings.width)
            }
            try check(question, "text embeddings")
        }
    }

    private func check(_ rows: Activations, _ input: String) throws(PruningError) {
        guard rows.isFinite else { throw .notFinite(input: input) }
    }

    private func checkCount(_ found: Int, _ input: String) throws(PruningError) {
        guard found == count else {
            throw .shapeMismatch(
                input: "number of rows of the \(input)", found: found, expected: count)
        }
    }
}
