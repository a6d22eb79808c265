// SPDX-License-Identifier: Apache-2.0
import GGUF

/// A part of a text to encode.
public struct TextSegment: Sendable, Equatable {
    /// The text.
    public let text: String
    /// Whether special tokens written out in `text` become those tokens.
    ///
    /// True for a template's text, false for a user's.
    public let parsesSpecial: Bool

    /// A segment of a text.
    public init(_ text: String, parsesSpecial: Bool) {
        self.text = text
        self.parsesSpecial = parsesSpecial
    }
}

/// Turns text into the tokens of a model and back.
public final class Tokenizer: Sendable {
    private enum Encoder: Sendable {
        case sentencePiece(SentencePieceEncoder)
        case bytePair(BytePairEncoder)
    }

    /// The file that the vocabulary comes from, for messages.
    public let fileName: String
    /// The number of tokens.
    public let vocabularySize: Int
    /// The token that starts a text.
    public let beginOfSequence: TokenID?
    /// The token that ends a text.
    public let endOfSequence: TokenID?
    /// Whether the model expects `beginOfSequence` at the start of its input.
    public let addsBeginOfSequence: Bool
    /// Whether the model expects `endOfSequence` at the end of a text that it only reads.
    public let addsEndOfSequence: Bool
    /// The tokens that end an answer.
    public let endOfGeneration: Set<TokenID>

    private let pieces: ByteStrings
    private let kinds: [TokenKind]
    private let index: PieceIndex
    private let specialTokens: SpecialTokenMatcher
    private let encoder: Encoder

    /// Reads the vocabulary of a text model.
    ///
    /// - Throws: `TokenizationError` if keys are missing, have other types, contradict each other or
    ///   name a tokenizer that is not implemented.
    public convenience init(metadata: GGUFMetadata) throws(TokenizationError) {
        try self.init(try VocabularyReader(metadata).read())
    }

    init(_ stored: Vocabulary) throws(TokenizationError) {
        let index = PieceIndex(stored.pieces)
        if let (first, second) = index.duplicate {
            throw .duplicate(
                file: stored.fileName, first: Int(first), second: Int(second),
                text: stored.pieces.text(Int(first)))
        }
        var vocabulary = stored
        let named = [stored.beginOfSequence, stored.endOfSequence].compactMap { $0 }
        let known = (Vocabulary.endTexts + Vocabulary.headerTexts).compactMap { index.token($0) }
        for token in named + stored.otherEnds + known { vocabulary.protect(token) }

        fileName = vocabulary.fileName
        vocabularySize = vocabulary.pieces.count
        beginOfSequence = vocabulary.beginOfSequence
        endOfSequence = vocabulary.endOfSequence
        addsBeginOfSequence = vocabulary.addsBeginOfSequence
        addsEndOfSequence = vocabulary.addsEndOfSequence
        endOfGeneration = vocabulary.endsOfGeneration(index: index)
        pieces = vocabulary.pieces
        kinds = vocabulary.kinds
        self.index = index
        specialTokens = SpecialTokenMatcher(vocabulary)
        switch vocabulary.algorithm {
        case .sentencePiece(let scores, let addsSpacePrefix):
            encoder = .sentencePiece(
                SentencePieceEncoder(
                    vocabulary, scores: scores, addsSpacePrefix: addsSpacePrefix, index: index))
        case .bytePair(let preTokenizer, let merges):
            encoder = .bytePair(
                try BytePairEncoder(
                    vocabulary, preTokenizer: preTokenizer, merges: merges, index: index))
        }
    }

    /// Whether the vocabulary is a SentencePiece one.
    public var isSentencePiece: Bool {
        if case .sentencePiece = encoder { true } else { false }
    }

    /// Whether a space is put before a text, as SentencePiece does for LLaMA but not for Gemma.
    public var addsSpacePrefix: Bool {
        if case .sentencePiece(let encoder) = encoder { encoder.addsSpacePrefix } else { false }
    }

    /// The tokens of a text.
    ///
    /// - Parameters:
    ///   - parseSpecial: Whether special tokens written out in `text` become those tokens.
    ///   - addSpecial: Whether to add the tokens of `addsBeginOfSequence` and `addsEndOfSequence`.
    public func encode(
        _ text: String, parseSpecial: Bool = false, addSpecial: Bool = false
    ) -> [TokenID] {
        let tokens = encode([TextSegment(text, parsesSpecial: parseSpecial)])
        guard addSpecial else { return tokens }
        let begin = addsBeginOfSequence ? [beginOfSequence].compactMap { $0 } : []
        let end = addsEndOfSequence ? [endOfSequence].compactMap { $0 } : []
        return begin + tokens + end
    }

    /// Encodes the text that the segments form together.
    ///
    /// Segment boundaries do not split tokens: the text is encoded as one piece.
    public func encode(_ segments: [TextSegment]) -> [TokenID] {
        var text: [UInt8] = []
        var controlRanges: [Range<Int>] = []
        for segment in segments where !segment.text.isEmpty {
            let start = text.count
            text += segment.text.utf8
            guard segment.parsesSpecial else { continue }
            if let last = controlRanges.last, last.upperBound == start {
                controlRanges[controlRanges.count - 1] = last.lowerBound..<text.count
            } else {
                controlRanges.append(start..<text.count)
            }
        }
        var tokens: [TokenID] = []
        for fragment in specialTokens.fragments(of: text, controlRanges: controlRanges) {
            switch (fragment, encoder) {
            case (.token(let token), _): tokens.append(token)
            case (.text(let range), .sentencePiece(let encoder)):
                encoder.encode(text[range], into: &tokens)
            case (.text(let range), .bytePair(let encoder)):
                encoder.encode(text[range], into: &tokens)
            }
        }
        return tokens
    }

    /// The bytes that a token adds to the text, not necessarily whole characters.
    ///
    /// - Parameter special: Whether control tokens are written out; otherwise they add nothing.
    public func piece(_ token: TokenID, special: Bool = false) -> [UInt8] {
        guard (0..<vocabularySize).contains(Int(token)) else { return [] }
        switch kinds[Int(token)] {
        case .control, .unknown:
            return special ? Array(pieces[Int(token)]) : []
        case .userDefined:
            return Array(pieces[Int(token)])
        case .unused:
            return []
        case .normal, .byte:
            return text(of: token)
        }
    }

    private func text(of token: TokenID) -> [UInt8] {
        switch encoder {
        case .bytePair(let encoder):
            return Array(encoder.texts[Int(token)])
        case .sentencePiece:
            return SentencePieceEncoder.text(of: pieces[Int(token)], kind: kinds[Int(token)])
        }
    }

    /// The token's text as the vocabulary writes it, for display.
    public func tokenText(_ token: TokenID) -> String {
        guard (0..<vocabularySize).contains(Int(token)) else { return "[\(token)]" }
        return pieces.text(Int(token))
    }

    /// The token whose text is exactly this, if it is one that `encode` finds as a special token.
    public func specialToken(_ text: String) -> TokenID? {
        index.token(text).flatMap { kinds[Int($0)] == .normal ? nil : $0 }
    }
}

extension Vocabulary {
    fileprivate func endsOfGeneration(index: PieceIndex) -> Set<TokenID> {
        let known = Self.endTexts.compactMap { index.token($0) }
            .filter { kinds[Int($0)] == .control }
        return Set(known + otherEnds + [endOfSequence].compactMap { $0 })
    }
}
