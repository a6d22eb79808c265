// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import Tokenization

/// A vocabulary whose token n, below 256, is the byte n.
private func byteTokenizer() throws -> Tokenizer {
    let names = (UInt8.min...UInt8.max).map(SentencePieceEncoder.name(of:))
    return try Tokenizer(
        Vocabulary(
            fileName: "bytes",
            algorithm: .sentencePiece(
                scores: Array(repeating: 0, count: 259), addsSpacePrefix: true),
            pieces: ByteStrings(names + ["</s>", "\u{2581}A", "<user>"]),
            kinds: Array(repeating: .byte, count: 256) + [.control, .normal, .userDefined]))
}

@Test(arguments: [
    "plain", "é", "e\u{301}", "漢字", "👩‍👩‍👧‍👦", "\u{0}\u{10FFFF}\u{800}\u{FFFF}", "mixed ü and 語\n",
])
func streamedBytesMakeTheirTextInWholeCharacters(text: String) throws {
    var detokenizer = StreamingDetokenizer(tokenizer: try byteTokenizer())
    var streamed = ""
    for byte in text.utf8 {
        let piece = detokenizer.append(TokenID(byte))
        #expect(!piece.unicodeScalars.contains("\u{FFFD}"))
        #expect(piece.unicodeScalars.count <= 1)
        streamed += piece
    }
    #expect(Array(streamed.utf8) == Array(text.utf8))
    #expect(detokenizer.finish() == "")
}

@Test func streamedRandomBytesEqualTheirRepairedText() throws {
    let tokenizer = try byteTokenizer()
    var generator = SeededGenerator(seed: 11)
    let interesting: [UInt8] = [
        0x00, 0x41, 0x7F, 0x80, 0xBF, 0xC0, 0xC2, 0xDF, 0xE0, 0xE2, 0xED, 0xEF, 0xF0, 0xF4, 0xF5,
        0x90, 0x9F, 0xA0, 0xFF,
    ]
    for _ in 0..<2000 {
        let count = Int.random(in: 0...12, using: &generator)
        let bytes = (0..<count).map { _ in interesting.randomElement(using: &generator) ?? 0 }
        var detokenizer = StreamingDetokenizer(tokenizer: tokenizer)
        var streamed = bytes.map { detokenizer.append(TokenID($0)) }.joined()
        streamed += detokenizer.finish()
        #expect(
            Array(streamed.utf8) == Array(String(decoding: bytes, as: UTF8.self).utf8), "\(bytes)")
        #expect(tokenizer.decode(bytes.map { TokenID($0) }) == streamed)
    }
}

@Test func anInvalidByteComesOutAtOnceAndAnUnfinishedCharacterAtTheEnd() throws {
    var detokenizer = StreamingDetokenizer(tokenizer: try byteTokenizer())
    #expect(detokenizer.append(0xFF) == "\u{FFFD}")
    #expect(detokenizer.append(0xE6) == "")
    #expect(detokenizer.append(0xBC) == "")
    #expect(detokenizer.append(0x41) == "\u{FFFD}A")
    #expect(detokenizer.append(0xF0) == "")
    #expect(detokenizer.finish() == "\u{FFFD}")
    #expect(detokenizer.finish() == "")
}

@Test func oneLeadingSpaceIsTrimmedAndOnlyAtTheStart() throws {
    let tokenizer = try byteTokenizer()
    let answer: [TokenID] = [257, 257, 256, 32, 258]
    var detokenizer = StreamingDetokenizer(tokenizer: tokenizer, trimsLeadingSpace: true)
    let streamed = answer.map { detokenizer.append($0) }
    #expect(streamed == ["A", " A", "", " ", "<user>"])
    #expect(tokenizer.decode(answer, trimsLeadingSpace: true) == "A A <user>")
    #expect(tokenizer.decode(answer) == " A A <user>")
    #expect(tokenizer.decode(answer, special: true) == " A A</s> <user>")
    #expect(tokenizer.decode([32, 32], trimsLeadingSpace: true) == " ")
    #expect(tokenizer.decode([-1, 259, .max]) == "")
}
