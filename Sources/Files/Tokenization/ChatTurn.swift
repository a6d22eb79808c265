// SPDX-License-Identifier: Apache-2.0

/// A question of a conversation, and its answer where there is one.
public struct ChatTurn: Sendable, Equatable {
    /// A part of a question.
    public enum Part: Sendable, Equatable {
        /// Text as typed; nothing in it has a meaning.
        case text(String)
        /// The picture with this position among those of the conversation.
        case picture(Int)
    }

    /// The question's texts and pictures, in order.
    public var question: [Part]
    /// The answer as it was given; nil for the question that is to be answered.
    public var answer: String?

    /// A question and its answer.
    public init(question: [Part], answer: String? = nil) {
        self.question = question
        self.answer = answer
    }

    /// The number of pictures in the question.
    public var pictureCount: Int {
        question.count { if case .picture = $0 { true } else { false } }
    }

    /// The question's texts, without the pictures.
    public var text: String {
        question.compactMap { if case .text(let text) = $0 { text } else { nil } }
            .joined(separator: "\n")
    }
}

extension PromptBuilder {
    /// A whole conversation, up to the start of the answer to its last question.
    ///
    /// It is what `firstTurn` and `nextTurn` write for the same questions, with the answers between them.
    /// A line break stands between two texts of a question. Where it has one text alone, its pictures come before it, as
    /// in the models' training.
    ///
    /// - Precondition: there is a question, and all but the last one have answers.
    public func conversation(_ turns: [ChatTurn]) -> [PromptPiece] {
        precondition(!turns.isEmpty && turns.dropLast().allSatisfy { $0.answer != nil })
        var pieces = tokenizer.begun(tokenizer.pieces(opening + parts(of: turns[0])))
        for (turn, next) in zip(turns, turns.dropFirst()) {
            pieces.append(.tokens(tokenizer.encode(format.answerPrefix + (turn.answer ?? ""))))
            pieces += tokenizer.pieces(reopening + parts(of: next))
        }
        return pieces.filter { $0 != .tokens([]) }
    }

    /// A question with its pictures, up to the start of the answer.
    private func parts(of turn: ChatTurn) -> [PromptPart] {
        var question = turn.question
        let pictures = question.filter { if case .picture = $0 { true } else { false } }
        if question.count == pictures.count + 1 {
            question = pictures + question.filter { !pictures.contains($0) }
        }
        return self.turn(
            separated(
                question.map { part in
                    switch part {
                    case .text(let text): .user(text)
                    case .picture(let index): .picture(index)
                    }
                }))
    }
}
