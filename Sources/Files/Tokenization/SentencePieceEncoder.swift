// SPDX-License-Identifier: Apache-2.0

/// SentencePiece's byte-pair encoding (https://arxiv.org/abs/1808.06226), as LLaMA uses it.
///
/// Spaces are written as U+2581. Characters that no piece covers are spelled in byte tokens.
struct SentencePieceEncoder: Sendable {
    /// U+2581 in UTF-8: how pieces write a space.
    static let space: [UInt8] = [0xE2, 0x96, 0x81]

    private let scores: [Float]
    let addsSpacePrefix: Bool
    /// The pieces that text can become, without control and byte tokens.
    private let textPieces: PieceIndex
    private let byteTokens: [TokenID?]  // [256]
    private let unknown: TokenID?

    init(
        _ vocabulary: Vocabulary, scores: [Float], addsSpacePrefix: Bool, index: PieceIndex
    ) {
        self.scores = scores
        self.addsSpacePrefix = addsSpacePrefix
        unknown = vocabulary.unknown
        let kinds = vocabulary.kinds
        textPieces = PieceIndex(vocabulary.pieces) { token in
            [.normal, .userDefined, .unused].contains(kinds[token])
        }
        byteTokens = index.byteTokens(kinds)
    }

    /// The text of the token that stands for a byte, such as `<0x0A>`.
    static func name(of byte: UInt8) -> String {
        let digits = String(byte, radix: 16, uppercase: true)
        return digits.count == 1 ? "<0x0\(digits)>" : "<0x\(digits)>"
    }

    /// The byte that a byte token's text names.
    static func byte(named text: String) -> UInt8? {
        guard text.utf8.count == 6, text.hasPrefix("<0x"), text.hasSuffix(">") else { return nil }
        let digits = text.dropFirst(3).dropLast()
        return digits.allSatisfy(\.isHexDigit) ? UInt8(digits, radix: 16) : nil
    }

    /// The text of a piece.
    static func text(of piece: ArraySlice<UInt8>, kind: TokenKind) -> [UInt8] {
        if kind == .byte, let byte = byte(named: String(decoding: piece, as: UTF8.self)) {
            return [byte]
        }
        return unescape(piece)
    }

    /// The text with spaces for U+2581.
    private static func unescape(_ piece: ArraySlice<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        var rest = piece
        while let first = rest.first {
            if rest.starts(with: space) {
                text.append(UInt8(ascii: " "))
                rest = rest.dropFirst(space.count)
            } else {
                text.append(first)
                rest = rest.dropFirst()
            }
        }
        return text
    }

    /// The text with U+2581 for spaces.
    static func escape(_ fragment: ArraySlice<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(fragment.count * 3 / 2)
        for byte in fragment {
            if byte == UInt8(ascii: " ") {
                text += space
            } else {
                text.append(byte)
            }
        }
        return text
    }

    /// Encodes a text without special tokens, at the start or after a special token.
    ///
    /// - Parameter fragment: valid UTF-8, not empty.
    func encode(_ fragment: ArraySlice<UInt8>, into tokens: inout [TokenID]) {
        let text = (addsSpacePrefix ? Self.space : []) + Self.escape(fragment)
        let symbols = mergePairs(textPieces.characters(of: text[...])) { left, right in
            let range = left.range.lowerBound..<right.range.upperBound
            return textPieces.token(text[range]).map {
                Merge(priority: Double(scores[Int($0)]), token: $0)
            }
        }
        for symbol in symbols {
            if let token = symbol.token {
                tokens.append(token)
            } else {
                tokens += text[symbol.range].compactMap { byteTokens[Int($0)] ?? unknown }
            }
        }
    }
}

extension PieceIndex {
    /// The tokens that stand for single bytes.
    func byteTokens(_ kinds: [TokenKind]) -> [TokenID?] {
        (UInt8.min...UInt8.max).map { byte in
            token(SentencePieceEncoder.name(of: byte)).flatMap {
                kinds[Int($0)] == .byte ? $0 : nil
            }
        }
    }

    /// The characters of a text, with the token of each that has one.
    func characters(of text: ArraySlice<UInt8>) -> [(range: Range<Int>, token: TokenID?)] {
        var characters: [(range: Range<Int>, token: TokenID?)] = []
        characters.reserveCapacity(text.count)
        var start = text.startIndex
        while start < text.endIndex {
            var end = start + 1
            while end < text.endIndex, UTF8.isContinuation(text[end]) { end += 1 }
            characters.append((start..<end, token(text[start..<end])))
            start = end
        }
        return characters
    }
}
