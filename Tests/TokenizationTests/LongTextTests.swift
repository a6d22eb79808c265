// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Tokenization

// The limits are far above the seconds that these tests take, because all tests run at the same time.

/// Runs over which a quadratic algorithm would take hours.
private let runs = ["a", " ", " \n", "</s>", "😀"]

@Test(
    .timeLimit(.minutes(5)),
    arguments: ["llama-spm", "phi-3", "gemma", "llama-bpe", "qwen2", "gpt-2"])
func longRunsTakeLinearTime(name: String) throws {
    let tokenizer = try GoldenVocabulary.tokenizer(name)
    for run in runs {
        let text = String(repeating: run, count: 200_000 / run.utf8.count)
        let tokens = tokenizer.encode(text, parseSpecial: run == "</s>")
        let decoded = tokenizer.decode(
            tokens, trimsLeadingSpace: tokenizer.addsSpacePrefix, special: true)
        #expect(decoded.utf8.elementsEqual(text.utf8), "\(run)")
    }
}

@Test(.timeLimit(.minutes(5)))
func aMillionBytesAndALargeVocabularyTakeSeconds() throws {
    let letters = (0..<26).map { String(UnicodeScalar(UInt8(97 + $0))) }
    let words = letters.flatMap { a in letters.flatMap { b in letters.map { c in a + b + c } } }
    let pieces =
        ["<unk>", "<s>", "</s>", "\u{2581}"] + letters + words.map { "\u{2581}" + $0 } + words
    let tokenizer = try Tokenizer(
        Vocabulary(
            fileName: "large",
            algorithm: .sentencePiece(
                scores: pieces.indices.map { -Float($0) }, addsSpacePrefix: true),
            pieces: ByteStrings(pieces), kinds: Array(repeating: .normal, count: pieces.count)))
    let text = String(repeating: "the quick brown fox ", count: 50_000)
    #expect(tokenizer.decode(tokenizer.encode(text), trimsLeadingSpace: true) == text)
}

@Test(.timeLimit(.minutes(5)))
func manyUserDefinedTokensThatStartAlikeTakeSeconds() throws {
    let pieces = ["[", "\u{2581}"] + (100_000..<200_000).map { "[PAD\($0)]" }
    let tokenizer = try Tokenizer(
        Vocabulary(
            fileName: "padded",
            algorithm: .sentencePiece(
                scores: Array(repeating: 0, count: pieces.count), addsSpacePrefix: false),
            pieces: ByteStrings(pieces),
            kinds: [.normal, .normal] + Array(repeating: .userDefined, count: 100_000)))
    let brackets = String(repeating: "[", count: 200_000)
    #expect(
        tokenizer.encode(brackets + "PAD100007]") == Array(repeating: 0, count: 199_999) + [9])
}
