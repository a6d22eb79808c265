// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Tokenization

/// A SentencePiece vocabulary of these pieces; earlier ones have higher scores.
private func sentencePiece(
    _ pieces: [(text: String, kind: TokenKind)], unknown: TokenID? = nil,
    addsSpacePrefix: Bool = true,
    stripsAfterSpecialTokens: Bool = false
) throws -> Tokenizer {
    var vocabulary = Vocabulary(
        fileName: "test",
        algorithm: .sentencePiece(
            scores: pieces.indices.map { -Float($0) }, addsSpacePrefix: addsSpacePrefix),
        pieces: ByteStrings(pieces.map(\.text)), kinds: pieces.map(\.kind))
    vocabulary.unknown = unknown
    vocabulary.stripsAfterSpecialTokens = stripsAfterSpecialTokens
    return try Tokenizer(vocabulary)
}

/// A byte-level vocabulary with these tokens.
private func bytePair(
    _ pieces: [(text: String, kind: TokenKind)], merges: [String] = [],
    _ preTokenizer: PreTokenizer = .gpt2, unknown: TokenID? = nil
) throws -> Tokenizer {
    var vocabulary = Vocabulary(
        fileName: "test", algorithm: .bytePair(preTokenizer, merges: merges),
        pieces: ByteStrings(pieces.map(\.text)), kinds: pieces.map(\.kind))
    vocabulary.unknown = unknown
    return try Tokenizer(vocabulary)
}

@Test func theBestScoreMergesFirstAndTheLeftmostOfEquals() throws {
    let tokenizer = try sentencePiece(
        [
            ("bc", .normal), ("ab", .normal), ("aa", .normal), ("a", .normal), ("b", .normal),
            ("c", .normal),
        ],
        addsSpacePrefix: false)
    #expect(tokenizer.encode("abc") == [3, 0])
    #expect(tokenizer.encode("aaa") == [2, 3])
    #expect(tokenizer.encode("aab") == [3, 1])
}

@Test func aPieceMayStandWhereItsCharactersAreUnknown() throws {
    let tokenizer = try sentencePiece(
        [("漢字", .normal), ("<0xE6>", .byte), ("<unk>", .unknown)], unknown: 2,
        addsSpacePrefix: false)
    #expect(tokenizer.encode("漢字") == [0])
    // Of the bytes E6 BC A2 only the first has a token.
    #expect(tokenizer.encode("漢") == [1, 2, 2])
    #expect(try sentencePiece([("<0xE6>", .byte)], addsSpacePrefix: false).encode("漢") == [0])
}

@Test func textNeverMergesIntoControlOrByteTokens() throws {
    let tokenizer = try sentencePiece(
        [
            ("<s>", .control), ("<0x41>", .byte), ("<s", .normal), (">", .normal), ("<", .normal),
            ("s", .normal), ("<0x41", .normal), ("<0", .normal), ("x41", .normal), ("0", .normal),
            ("x4", .normal), ("x", .normal), ("4", .normal), ("1", .normal),
        ], addsSpacePrefix: false)
    #expect(tokenizer.encode("<s>") == [2, 3])
    #expect(tokenizer.encode("<0x41>") == [6, 3])
    #expect(tokenizer.encode("<s>", parseSpecial: true) == [0])
    #expect(tokenizer.encode("A") == [1])
}

@Test func everyTextBehindASpecialTokenGetsTheSpacePrefix() throws {
    let tokenizer = try sentencePiece([
        ("\u{2581}a", .normal), ("a", .normal), ("\u{2581}", .normal), ("</s>", .control),
    ])
    #expect(tokenizer.encode("a</s>a</s></s> a", parseSpecial: true) == [0, 3, 0, 3, 3, 2, 0])
    #expect(tokenizer.encode("") == [])
    #expect(tokenizer.encode(" ") == [2, 2])
}

@Test func userDefinedTokensAreFoundInAnyTextTheLongestFirst() throws {
    let pieces: [(text: String, kind: TokenKind)] = [
        ("a", .normal), ("b", .normal), ("ab", .userDefined), ("bab", .userDefined),
        ("aa", .userDefined),
    ]
    for tokenizer in [try sentencePiece(pieces, addsSpacePrefix: false), try bytePair(pieces)] {
        #expect(tokenizer.encode("ab") == [2])
        #expect(tokenizer.encode("abab") == [0, 3])
        #expect(tokenizer.encode("aaab") == [4, 2])
        #expect(tokenizer.encode("aaa") == [4, 0])
        #expect(tokenizer.encode("ab", parseSpecial: true) == [2])
        #expect(tokenizer.decode([2, 3]) == "abbab")
    }
}

@Test func specialTokensOfPhi3SwallowTheWhiteSpaceBehindThem() throws {
    let tokenizer = try sentencePiece(
        [
            ("<s>", .control), ("<|user|>", .control), ("a", .normal), ("\u{2581}a", .normal),
            ("\n", .normal), ("\u{2581}", .normal), ("\n\n\n\n\n\n\n\n\n", .userDefined),
        ], stripsAfterSpecialTokens: true)
    #expect(tokenizer.encode("<|user|> \t\n a", parseSpecial: true) == [1, 3])
    #expect(tokenizer.encode("<|user|>\n<|user|>\n", parseSpecial: true) == [1, 1])
    #expect(tokenizer.encode("<s> a", parseSpecial: true) == [0, 5, 3])
    // The longer token is matched before the shorter one swallows anything.
    let breaks = String(repeating: "\n", count: 9)
    #expect(tokenizer.encode("<|user|>\(breaks)a", parseSpecial: true) == [1, 6, 3])
}

@Test func knownEndsAreOutOfReachEvenIfTheFileCallsThemText() throws {
    for kind in [TokenKind.normal, .userDefined, .control] {
        let tokenizer = try sentencePiece([
            ("<|im_end|>", kind), ("<|im_start|>", kind), ("\u{2581}", .normal),
        ])
        #expect(tokenizer.endOfGeneration == [0])
        #expect(tokenizer.encode("<|im_end|><|im_start|>", parseSpecial: true) == [0, 1])
        #expect(Set(tokenizer.encode("<|im_end|><|im_start|>")).isDisjoint(with: [0, 1]))
        #expect(tokenizer.piece(0) == [])
    }
    // The merges of a byte-level vocabulary may produce such a text.
    let tokenizer = try bytePair(
        [("<", .normal), ("EOT>", .normal), ("<EOT>", .normal)], merges: ["< EOT>"])
    #expect(tokenizer.endOfGeneration == [])
}

@Test func bytesWithoutATokenAreUnknownOrLeftOut() throws {
    let pieces: [(text: String, kind: TokenKind)] = [("a", .normal), ("<unk>", .unknown)]
    #expect(try bytePair(pieces, unknown: 1).encode("a!a") == [0, 1, 0])
    #expect(try bytePair(pieces).encode("a!a") == [0, 0])
}

@Test func wholeWordsAreKeptOnlyByTheRuleOfLlama3() throws {
    let pieces: [(text: String, kind: TokenKind)] = [
        ("a", .normal), ("b", .normal), ("ab", .normal), ("Ġ", .normal), ("Ġab", .normal),
        ("aba", .control),
    ]
    #expect(try bytePair(pieces, .llama3).encode("ab ab") == [2, 4])
    #expect(try bytePair(pieces, .gpt2).encode("ab ab") == [0, 1, 3, 0, 1])
    #expect(try bytePair(pieces, .llama3).encode("aba") == [0, 1, 0])
}

@Test func wordsOfCharactersAreMergedAndSpelledInByteTokens() throws {
    let pieces: [(text: String, kind: TokenKind)] = [
        ("a", .normal), ("\u{2581}", .normal), ("\u{2581}a", .normal), ("\n", .normal),
        ("\n\n", .normal),
        ("é", .normal), ("éa", .normal), ("<0xE6>", .byte), ("<0xBC>", .byte), ("<0xA2>", .byte),
        ("<turn>", .control),
    ]
    let tokenizer = try bytePair(pieces, merges: ["\u{2581} a", "é a"], .gemma4)
    #expect(tokenizer.encode("a a") == [0, 2])
    #expect(tokenizer.encode("éa 漢") == [6, 1, 7, 8, 9])
    // No merge makes a line end, so that the whole word is looked up.
    #expect(tokenizer.encode("\n\na\n") == [4, 0, 3])
    #expect(tokenizer.encode("\n\n\n") == [3, 3, 3])
    #expect(tokenizer.encode("<turn>a", parseSpecial: true) == [10, 0])
    #expect(tokenizer.decode([6, 1, 7, 8, 9, 2]) == "éa 漢 a")
}

@Test func mergesGoByRankAndThenFromTheLeft() throws {
    let pieces: [(text: String, kind: TokenKind)] = [
        ("a", .normal), ("b", .normal), ("ab", .normal), ("ba", .normal), ("aba", .normal),
        ("aa", .normal),
    ]
    let tokenizer = try bytePair(pieces, merges: ["b a", "a b", "ab a", "a a"])
    #expect(tokenizer.encode("aba") == [0, 3])
    #expect(tokenizer.encode("abab") == [0, 3, 1])
    #expect(tokenizer.encode("aaa") == [5, 0])
    // A merge that is listed twice has the priority of the first.
    #expect(try bytePair(pieces, merges: ["a b", "b a", "a b"]).encode("aba") == [2, 0])
}

@Test func piecesOutsideTheByteAlphabetAreKeptAsTheyAre() throws {
    let tokenizer = try bytePair([
        ("Ġa", .normal), ("語", .normal), ("<b c>", .userDefined), ("x", .unused),
    ])
    #expect(tokenizer.decode([0, 1, 2, 3]) == " a語<b c>")
    #expect(tokenizer.tokenText(0) == "Ġa")
    #expect(tokenizer.encode("語") == [])
}

@Test func bytesHaveTheirNames() {
    for byte in UInt8.min...UInt8.max {
        #expect(SentencePieceEncoder.byte(named: SentencePieceEncoder.name(of: byte)) == byte)
    }
    for text in ["", "<0x>", "<0xG0>", "<0x100>", "<0x0>", "0x0A", "<0x+1>", "<0x0A>>"] {
        #expect(SentencePieceEncoder.byte(named: text) == nil)
    }
}
