// SPDX-License-Identifier: Apache-2.0
import Tokenization

/// The text of an answer as its tokens come: detokenized, cut at stop strings, passed on in pieces.
struct AnswerText {
    private var detokenizer: StreamingDetokenizer
    private var stops: StopMatcher
    private var text = ""
    private let onText: (String) -> Void

    init(_ tokenizer: Tokenizer, stops: [String], _ onText: @escaping (String) -> Void) {
        detokenizer = StreamingDetokenizer(tokenizer: tokenizer, trimsLeadingSpace: true)
        self.stops = StopMatcher(stops)
        self.onText = onText
    }

    /// Whether a stop string has come.
    var hasStopped: Bool { stops.hasStopped }

    mutating func append(_ token: TokenID) {
        pass(stops.append(detokenizer.append(token)))
    }

    /// Passes on what was held back; returns the whole text.
    mutating func finish() -> String {
        pass(stops.append(detokenizer.finish()))
        pass(stops.finish())
        return text
    }

    private mutating func pass(_ piece: String) {
        guard !piece.isEmpty else { return }
        text += piece
        onText(piece)
    }
}
