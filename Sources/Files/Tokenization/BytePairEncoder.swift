// SPDX-License-Identifier: Apache-2.0

/// Byte-level byte-pair encoding, as GPT-2 introduced it: words of bytes, merged by rank.
struct BytePairEncoder: Sendable {
    /// The text of each token as bytes, decoded from the byte alphabet for normal tokens.
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
        var texts = ByteStrings()
        var isText: [Bool] = []
        for token in 0..<vocabulary.pieces.count {
            let isNormal = [.normal, .unused, .byte].contains(vocabulary.kinds[token])
            let decoded = isNormal ? ByteAlphabet.decode(vocabulary.pieces.text(token)) : nil
            texts.append(decoded?[...] ?? vocabulary.pieces[token])
            isText.append(decoded != nil)
        }
        self.texts = texts
        let textPieces = PieceIndex(texts) { isText[$0] }
        self.textPieces = textPieces
        byteTokens = (UInt8.min...UInt8.max).map { textPieces.token([$0]) }
        self.merges = try Self.table(of: merges, vocabulary: vocabulary, index: index)
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
        for word in preTokenizer.words(in: fragment) {
            if preTokenizer.keepsWholeWords, let token = textPieces.token(word) {
                tokens.append(token)
            } else {
                encode(word: word, into: &tokens)
            }
        }
    }

    private func encode(word: ArraySlice<UInt8>, into tokens: inout [TokenID]) {
        let bytes = word.indices.map { index in
            (range: index..<index + 1, token: byteTokens[Int(word[index])])
        }
        let symbols = mergePairs(bytes) { left, right in
            guard let left = left.token, let right = right.token else { return nil }
            return merges[Pair(left: left, right: right)]
        }
        // A byte without a token becomes the unknown token.
        tokens += symbols.compactMap { $0.token ?? unknown }
    }
}
