// SPDX-License-Identifier: Apache-2.0

/// Byte-pair encoding, as GPT-2 introduced it: words of bytes, or of characters, merged by rank.
struct BytePairEncoder: Sendable {
    /// The text that each token stands for.
    let texts: ByteStrings

    private let preTokenizer: PreTokenizer
    private let merges: [Pair: Merge]
    /// The pieces that words can become, without control and user-defined tokens.
    private let textPieces: PieceIndex
    private let byteTokens: [TokenID?]  // [256]
    private let unknown: TokenID?

    private struct Pair: Hashable {
        let left: TokenID
        let right: TokenID
    }

    init(
        _ vocabulary: Vocabulary, preTokenizer: PreTokenizer, merges: [String], index: PieceIndex
    ) throws(TokenizationError) {
        self.preTokenizer = preTokenizer
        unknown = vocabulary.unknown
        let isInBytes = preTokenizer.spelling == .bytes
        let (texts, textPieces) =
            isInBytes
            ? Self.texts(inByteAlphabet: vocabulary) : Self.texts(inCharacters: vocabulary)
        (self.texts, self.textPieces) = (texts, textPieces)
        byteTokens =
            isInBytes
            ? (UInt8.min...UInt8.max).map { textPieces.token([$0]) }
            : index.byteTokens(vocabulary.kinds)
        self.merges = try Self.table(of: merges, vocabulary: vocabulary, index: index)
    }

    /// The text of each token, and the pieces that words can become.
    private static func texts(inByteAlphabet vocabulary: Vocabulary) -> (ByteStrings, PieceIndex) {
        var texts = ByteStrings()
        var isText: [Bool] = []
        for token in 0..<vocabulary.pieces.count {
            let isNormal = [.normal, .unused, .byte].contains(vocabulary.kinds[token])
            let decoded = isNormal ? ByteAlphabet.decode(vocabulary.pieces.text(token)) : nil
            texts.append(decoded?[...] ?? vocabulary.pieces[token])
            isText.append(decoded != nil)
        }
        return (texts, PieceIndex(texts) { isText[$0] })
    }

    /// The same for pieces with U+2581 in place of spaces; words have it, too.
    private static func texts(inCharacters vocabulary: Vocabulary) -> (ByteStrings, PieceIndex) {
        var texts = ByteStrings()
        for token in 0..<vocabulary.pieces.count {
            texts.append(
                SentencePieceEncoder.text(
                    of: vocabulary.pieces[token], kind: vocabulary.kinds[token])[...])
        }
        return (
            texts,
            PieceIndex(vocabulary.pieces) {
                [.normal, .userDefined, .unused].contains(vocabulary.kinds[$0])
            }
        )
    }

    /// The merges by the tokens that they join; earlier lines have higher priority.
    private static func table(
        of merges: [String], vocabulary: Vocabulary, index: PieceIndex
    ) throws(TokenizationError) -> [Pair: Merge] {
        var table: [Pair: Merge] = [:]
        table.reserveCapacity(merges.count)
        for (rank, line) in merges.enumerated() {
            let bytes = Array(line.utf8)
            func malformed(_ problem: String) -> TokenizationError {
                .malformed(
                    file: vocabulary.fileName, key: VocabularyReader.Key.merges, index: rank,
                    problem: "'\(line)' \(problem)")
            }
            guard let space = bytes.dropFirst().firstIndex(of: UInt8(ascii: " ")) else {
                throw malformed("is not two pieces with a space between them")
            }
            let (left, right) = (bytes[..<space], bytes[(space + 1)...])
            guard let leftToken = index.token(left), let rightToken = index.token(right),
                let token = index.token((left + right)[...])
            else { throw malformed("joins or makes a piece that is not a token") }
            guard vocabulary.kinds[Int(token)] != .control else {
                throw malformed("makes a control token")
            }
            let pair = Pair(left: leftToken, right: rightToken)
            if table[pair] == nil {
                table[pair] = Merge(priority: -Double(rank), token: token)
            }
        }
        return table
    }

    /// The tokens of a text that holds no special tokens.
    ///
    /// - Parameter fragment: valid UTF-8, not empty.
    func encode(_ fragment: ArraySlice<UInt8>, into tokens: inout [TokenID]) {
        let isEscaped = preTokenizer.spelling == .characters
        let text = isEscaped ? SentencePieceEncoder.escape(fragment)[...] : fragment
        for word in preTokenizer.words(in: text) {
            if keepsWhole(word), let token = textPieces.token(word) {
                tokens.append(token)
            } else {
                encode(word: word, into: &tokens)
            }
        }
    }

    /// Whether a word is not split if it is a token: any word for some rules, line ends for others.
    private func keepsWhole(_ word: ArraySlice<UInt8>) -> Bool {
        preTokenizer.keepsWholeWords
            || preTokenizer.spelling == .characters
                && word.allSatisfy { $0 == UInt8(ascii: "\n") }
    }

    private func encode(word: ArraySlice<UInt8>, into tokens: inout [TokenID]) {
        let symbols = mergePairs(symbols(of: word)) { left, right in
            guard let left = left.token, let right = right.token else { return nil }
            return merges[Pair(left: left, right: right)]
        }
        for symbol in symbols {
            if let token = symbol.token {
                tokens.append(token)
            } else {
                // A byte without a token becomes the unknown token.
                tokens += word[symbol.range].compactMap { byteTokens[Int($0)] ?? unknown }
            }
        }
    }

    /// What the merging of a word starts with.
    private func symbols(of word: ArraySlice<UInt8>) -> [(range: Range<Int>, token: TokenID?)] {
        switch preTokenizer.spelling {
        case .bytes: word.indices.map { ($0..<$0 + 1, byteTokens[Int(word[$0])]) }
        case .characters: textPieces.characters(of: word)
        }
    }
}
