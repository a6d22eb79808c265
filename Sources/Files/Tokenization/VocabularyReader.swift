// SPDX-License-Identifier: Apache-2.0
import GGUF

/// Reads a `Vocabulary` from the metadata of a GGUF file and checks that its parts fit together.
struct VocabularyReader {
    private let metadata: GGUFMetadata

    init(_ metadata: GGUFMetadata) {
        self.metadata = metadata
    }

    /// Reads the vocabulary; optional keys have defaults.
    func read() throws(TokenizationError) -> Vocabulary {
        let texts = try wrap { () throws(GGUFError) in
            try metadata.required(Key.tokens, metadata.strings)
        }
        guard !texts.isEmpty else {
            throw .malformed(
                file: metadata.fileName, key: Key.tokens, index: 0, problem: "there is no token")
        }
        let kinds = try kinds(count: texts.count)
        let algorithm = try algorithm(count: texts.count)
        var vocabulary = Vocabulary(
            fileName: metadata.fileName, algorithm: algorithm, pieces: pieces(texts), kinds: kinds)
        try readSpecialTokens(into: &vocabulary)
        vocabulary.stripsAfterSpecialTokens = try isPhi3()
        return vocabulary
    }

    /// The texts as bytes.
    ///
    /// An empty text, which no input can contain, gets a name.
    private func pieces(_ texts: [String]) -> ByteStrings {
        var pieces = ByteStrings()
        for (token, text) in texts.enumerated() {
            pieces.append(text.isEmpty ? "[EMPTY_\(token)]".utf8 : text.utf8)
        }
        return pieces
    }

    private func kinds(count: Int) throws(TokenizationError) -> [TokenKind] {
        let stored = try wrap { () throws(GGUFError) in try metadata.integers(Key.kinds) }
        guard let stored else { return Array(repeating: .normal, count: count) }
        try checkLength(stored.count, of: Key.kinds, expected: count)
        var kinds: [TokenKind] = []
        kinds.reserveCapacity(count)
        for (index, value) in stored.enumerated() {
            guard let kind = TokenKind(rawValue: value) else {
                throw .malformed(
                    file: metadata.fileName, key: Key.kinds, index: index,
                    problem: "the token type is \(value), expected 1 to 6")
            }
            kinds.append(kind)
        }
        return kinds
    }

    private func algorithm(count: Int) throws(TokenizationError) -> Vocabulary.Algorithm {
        let model = try wrap { () throws(GGUFError) in
            try metadata.required(Key.model, metadata.string)
        }
        switch model {
        case "llama":
            let addsSpacePrefix = try bool(Key.addsSpacePrefix) ?? true
            return .sentencePiece(
                scores: try scores(count: count), addsSpacePrefix: addsSpacePrefix)
        case "gpt2":
            return .bytePair(try preTokenizer(count: count), merges: try merges())
        case "gemma4":
            return .bytePair(.gemma4, merges: try merges())
        default:
            throw .unsupported(
                file: metadata.fileName, key: Key.model, value: model,
                supported: ["llama", "gpt2", "gemma4"])
        }
    }

    private func merges() throws(TokenizationError) -> [String] {
        try wrap { () throws(GGUFError) in try metadata.required(Key.merges, metadata.strings) }
    }

    private func scores(count: Int) throws(TokenizationError) -> [Float] {
        let scores = try wrap { () throws(GGUFError) in
            try metadata.required(Key.scores, metadata.floats)
        }
        try checkLength(scores.count, of: Key.scores, expected: count)
        if let index = scores.firstIndex(where: \.isNaN) {
            throw .malformed(
                file: metadata.fileName, key: Key.scores, index: index,
                problem: "the score is not a number")
        }
        return scores
    }

    /// The rule that splits text into words.
    ///
    /// The first conversions of Llama-3 do not name it; they are recognised by their 128256 tokens.
    private func preTokenizer(count: Int) throws(TokenizationError) -> PreTokenizer {
        let name = try wrap { () throws(GGUFError) in try metadata.string(Key.preTokenizer) }
        if name == nil, count >= 128_256 { return .llama3 }
        guard let name, let preTokenizer = PreTokenizer.named(name) else {
            throw .unsupported(
                file: metadata.fileName, key: Key.preTokenizer, value: name ?? "(absent)",
                supported: PreTokenizer.names)
        }
        return preTokenizer
    }

    private func readSpecialTokens(into vocabulary: inout Vocabulary) throws(TokenizationError) {
        let count = vocabulary.pieces.count
        vocabulary.beginOfSequence = try token(Key.beginOfSequence, count: count)
        vocabulary.endOfSequence = try token(Key.endOfSequence, count: count)
        vocabulary.unknown = try token(Key.unknown, count: count)
        for key in Key.otherEnds {
            if let end = try token(key, count: count) { vocabulary.otherEnds.append(end) }
        }
        let addsBeginByDefault: Bool
        switch vocabulary.algorithm {
        case .sentencePiece:
            // SentencePiece's own token numbers, which LLaMA kept.
            vocabulary.unknown = vocabulary.unknown ?? 0
            vocabulary.beginOfSequence = vocabulary.beginOfSequence ?? (count > 1 ? 1 : nil)
            vocabulary.endOfSequence = vocabulary.endOfSequence ?? (count > 2 ? 2 : nil)
            addsBeginByDefault = true
        case .bytePair(let preTokenizer, _):
            addsBeginByDefault = preTokenizer.addsBeginOfSequence
        }
        vocabulary.addsBeginOfSequence = try bool(Key.addsBeginOfSequence) ?? addsBeginByDefault
        vocabulary.addsEndOfSequence = try bool(Key.addsEndOfSequence) ?? false
    }

    private func isPhi3() throws(TokenizationError) -> Bool {
        let name = try wrap { () throws(GGUFError) in try metadata.string("general.name") }
        let architecture = try wrap { () throws(GGUFError) in
            try metadata.string("general.architecture")
        }
        let lowercased = name?.lowercased() ?? ""
        return lowercased.contains("phi-3") || lowercased.contains("phi3")
            || architecture == "phi3"
    }

    private func token(_ key: String, count: Int) throws(TokenizationError) -> TokenID? {
        let stored = try wrap { () throws(GGUFError) in try metadata.integer(key) }
        guard let stored else { return nil }
        guard (0..<count).contains(stored) else {
            throw .tokenOutOfRange(
                file: metadata.fileName, key: key, token: stored, count: count)
        }
        return TokenID(stored)
    }

    private func bool(_ key: String) throws(TokenizationError) -> Bool? {
        try wrap { () throws(GGUFError) in try metadata.bool(key) }
    }

    private func checkLength(
        _ found: Int, of key: String, expected: Int
    ) throws(TokenizationError) {
        guard found == expected else {
            throw .lengthMismatch(
                file: metadata.fileName, key: key, expected: expected, found: found)
        }
    }
}

/// Wraps an error of the metadata in one of this module.
func wrap<Value>(
    _ body: () throws(GGUFError) -> Value
) throws(TokenizationError) -> Value {
    do {
        return try body()
    } catch {
        throw .metadata(error)
    }
}

extension VocabularyReader {
    /// The metadata keys of a vocabulary.
    enum Key {
        static let model = "tokenizer.ggml.model"
        static let preTokenizer = "tokenizer.ggml.pre"
        static let tokens = "tokenizer.ggml.tokens"
        static let scores = "tokenizer.ggml.scores"
        static let kinds = "tokenizer.ggml.token_type"
        static let merges = "tokenizer.ggml.merges"
        static let beginOfSequence = "tokenizer.ggml.bos_token_id"
        static let endOfSequence = "tokenizer.ggml.eos_token_id"
        static let unknown = "tokenizer.ggml.unknown_token_id"
        static let otherEnds = ["tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"]
        static let addsBeginOfSequence = "tokenizer.ggml.add_bos_token"
        static let addsEndOfSequence = "tokenizer.ggml.add_eos_token"
        static let addsSpacePrefix = "tokenizer.ggml.add_space_prefix"
    }
}
