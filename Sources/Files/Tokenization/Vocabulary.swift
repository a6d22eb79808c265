// SPDX-License-Identifier: Apache-2.0

/// The number of a token: its row in the embedding matrix.
public typealias TokenID = Int32

/// The kind of a token; the raw value is its number in `tokenizer.ggml.token_type`.
public enum TokenKind: Int, Sendable {
    /// A piece of text.
    case normal = 1
    /// Replaces text that no piece covers.
    case unknown
    /// Steers the model and has no text of its own, such as `</s>`.
    case control
    /// Text that is always one token, wherever it stands.
    case userDefined
    /// A row of the embedding matrix without a meaning.
    case unused
    /// One byte of a character that no piece covers.
    case byte
}

/// The vocabulary as a GGUF file stores it, with the lengths of all arrays checked.
struct Vocabulary: Sendable {
    /// The algorithm that splits text into pieces.
    enum Algorithm: Sendable {
        /// SentencePiece's byte-pair encoding over characters: the best-scored pair merges first.
        case sentencePiece(scores: [Float], addsSpacePrefix: Bool)
        /// Byte-level byte-pair encoding: the first listed pair merges first, within words only.
        case bytePair(PreTokenizer, merges: [String])
    }

    var fileName: String
    var algorithm: Algorithm
    var pieces: ByteStrings
    var kinds: [TokenKind]
    var beginOfSequence: TokenID?
    var endOfSequence: TokenID?
    var unknown: TokenID?
    /// Tokens that the file names as ends of a turn or message, beside `endOfSequence`.
    var otherEnds: [TokenID] = []
    var addsBeginOfSequence = false
    var addsEndOfSequence = false
    /// Whether special tokens swallow the white space that follows them, as those of Phi-3 do.
    var stripsAfterSpecialTokens = false
}

extension Vocabulary {
    /// Texts that end an answer in the models that know them, whatever else the file says.
    static let endTexts = [
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<|endoftext|>", "<|end_of_text|>", "<|eom_id|>",
        "<end_of_turn>", "<EOT>", "<end_of_utterance>",
    ]

    /// Texts that structure a conversation in the models that know them.
    static let headerTexts = [
        "<|im_start|>", "<|im_sep|>", "<|start_header_id|>", "<|end_header_id|>", "<|user|>",
        "<|assistant|>", "<|system|>", "<start_of_turn>",
    ]

    /// Makes a token unreachable for ordinary text, so that nobody ends a turn by typing it.
    ///
    /// Some files give such tokens the wrong kind. Normal tokens of a byte-level vocabulary are left alone: merges
    /// lead to them, so they are text, as `</s>` is in Qwen2's vocabulary.
    mutating func protect(_ token: TokenID) {
        switch (kinds[Int(token)], algorithm) {
        case (.userDefined, _), (.normal, .sentencePiece): kinds[Int(token)] = .control
        default: break
        }
    }
}
