// SPDX-License-Identifier: Apache-2.0

/// Turns a stream of tokens into text, in whole characters.
///
/// A character may be spelled by several tokens; its bytes are held back until the last one arrives. Invalid
/// bytes become U+FFFD.
public struct StreamingDetokenizer: Sendable {
    private let tokenizer: Tokenizer
    private let special: Bool
    private var trimsSpace: Bool
    private var pending: [UInt8] = []

    /// Starts a text.
    ///
    /// - Parameters:
    ///   - trimsLeadingSpace: Whether to drop one space at the very start, which SentencePiece vocabularies write
    ///     before a word.
    ///   - special: Whether control tokens are written out.
    public init(
        tokenizer: Tokenizer, trimsLeadingSpace: Bool = false, special: Bool = false
    ) {
        self.tokenizer = tokenizer
        self.special = special
        trimsSpace = trimsLeadingSpace
    }

    /// The characters that are complete with this token.
    public mutating func append(_ token: TokenID) -> String {
        pending += tokenizer.piece(token, special: special)
        return take(pending.count - incompleteSuffixLength)
    }

    /// The remaining text at the end of the stream.
    public mutating func finish() -> String {
        take(pending.count)
    }

    private mutating func take(_ count: Int) -> String {
        guard count > 0 else { return "" }
        var bytes = pending[..<count]
        if trimsSpace, bytes.first == UInt8(ascii: " ") { bytes = bytes.dropFirst() }
        trimsSpace = false
        let text = String(decoding: bytes, as: UTF8.self)
        pending.removeFirst(count)
        return text
    }

    /// The number of bytes at the end that begin an incomplete character.
    private var incompleteSuffixLength: Int {
        for (length, byte) in pending.reversed().prefix(3).enumerated() {
            let needed =
                switch byte {
                case 0xC2...0xDF: 2
                case 0xE0...0xEF: 3
                case 0xF0...0xF4: 4
                default: 1
                }
            if needed > length + 1 { return length + 1 }
            if !UTF8.isContinuation(byte) { return 0 }
        }
        return 0
    }
}

extension Tokenizer {
    /// The text of a complete list of tokens.
    ///
    /// - Parameters:
    ///   - trimsLeadingSpace: Whether to drop one space at the very start.
    ///   - special: Whether control tokens are written out.
    public func decode(
        _ tokens: some Sequence<TokenID>, trimsLeadingSpace: Bool = false, special: Bool = false
    ) -> String {
        var bytes = tokens.flatMap { piece($0, special: special) }
        if trimsLeadingSpace, bytes.first == UInt8(ascii: " ") { bytes.removeFirst() }
        return String(decoding: bytes, as: UTF8.self)
    }
}
