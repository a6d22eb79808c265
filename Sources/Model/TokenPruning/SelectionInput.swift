// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// Inputs that a selector may use besides the visual tokens themselves.
public enum SelectionNeed: String, CaseIterable, Sendable, CustomStringConvertible {
    /// `SelectionInput.features`.
    case features
    /// `SelectionInput.attention`.
    case attention
    /// `SelectionInput.receivedAttention`.
    case receivedAttention
    /// `SelectionInput.text`.
    case text
    /// `SelectionInput.places`, which every encoder knows.
    case places

    /// The name of the need in messages.
    public var description: String {
        switch self {
        case .features: "the vision tower's features"
        case .attention: "the attention that patches get"
        case .receivedAttention: "the attention that patches get in a middle and in the last block"
        case .text: "the question's tokens"
        case .places: "the places of the visual tokens"
        }
    }
}

/// Where a visual token lies.
public struct TokenPlace: Sendable, Equatable {
    /// The tile of the picture, each with a grid of its own.
    public let tile: Int
    /// The line of the tile's grid, counted from the top.
    public let row: Int
    /// The column of the tile's grid, counted from the left.
    public let column: Int

    /// A place in a tile.
    public init(tile: Int, row: Int, column: Int) {
        (self.tile, self.row, self.column) = (tile, row, column)
    }

    /// The square of the distance in tokens; nil between tiles.
    func squaredDistance(to other: TokenPlace) -> Float? {
        guard tile == other.tile else { return nil }
        let (down, right) = (Float(row - other.row), Float(column - other.column))
        return down * down + right * right
    }
}

/// The visual tokens that a selector chooses from, and data about them.
public struct SelectionInput: Sendable {
    /// The projector's rows of all candidates, in raster order; rows beside them are no candidates.
    public let embeddings: Activations  // [candidates, width]
    /// The vision tower's features of the same patches.
    public let features: Activations?  // [candidates, featureWidth]
    /// How much attention each patch gets in the features' layer, summed over heads: from the class token or, in towers
    /// without one, from the mean patch.
    public let attention: [Float]?  // [candidates]
    /// How much attention each patch gets from all, in a middle block and in the features' layer.
    public let receivedAttention: ReceivedAttention?
    /// The decoder's embeddings of the question as typed, without template or system prompt.
    public let text: Activations?  // [textTokens, width]
    /// Where the candidates lie in the picture.
    public let places: [TokenPlace]?  // [candidates]

    /// The candidates' embeddings, and what the selector `needs`.
    public init(
        embeddings: Activations, features: Activations? = nil, attention: [Float]? = nil,
        receivedAttention: ReceivedAttention? = nil, text: Activations? = nil,
        places: [TokenPlace]? = nil
    ) {
        self.embeddings = embeddings
        self.features = features
        self.attention = attention
        self.receivedAttention = receivedAttention
        self.text = text
        self.places = places
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
        if selector.needs.contains(.attention) {
            try check(try selector.require(attention, .attention))
        }
        if selector.needs.contains(.receivedAttention) {
            let received = try selector.require(receivedAttention, .receivedAttention)
            try check(received.middle)
            try check(received.last)
        }
        if selector.needs.contains(.places) {
            try checkCount(try selector.require(places, .places).count, "places")
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

    private func check(_ attention: [Float]) throws(PruningError) {
        try checkCount(attention.count, "attention")
        guard attention.allSatisfy(\.isFinite) else { throw .notFinite(input: "attention") }
    }

    private func checkCount(_ found: Int, _ input: String) throws(PruningError) {
        guard found == count else {
            throw .shapeMismatch(
                input: "number of rows of the \(input)", found: found, expected: count)
        }
    }
}
