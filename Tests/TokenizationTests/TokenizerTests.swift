// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@testable import Tokenization

private let textVocabularies = ["llama-spm", "gemma", "llama-bpe", "qwen2", "gpt-2"]
private let allVocabularies = textVocabularies + ["phi-3", "yi"]

@Test(arguments: textVocabularies)
func hardTextsHaveTheTokensOfTheReference(name: String) throws {
    let tokenizer = try GoldenVocabulary.tokenizer(name)
    let texts = try GoldenVocabulary.texts()
    let expected = try GoldenVocabulary.named(name).plain
    try #require(texts.count == expected.count && texts.count > 300)
    for (text, tokens) in zip(texts, expected) {
        #expect(tokenizer.encode(text) == tokens, "\(text.debugDescription)")
    }
}

@Test(arguments: allVocabularies)
func specialTokensAreParsedAsByTheReference(name: String) throws {
    let tokenizer = try GoldenVocabulary.tokenizer(name)
    for special in try GoldenVocabulary.named(name).special {
        #expect(
            tokenizer.encode(special.text, parseSpecial: true) == special.tokens,
            "\(special.text.debugDescription)")
    }
}

@Test(arguments: textVocabularies)
func decodingGivesTheTextBack(name: String) throws {
    let tokenizer = try GoldenVocabulary.tokenizer(name)
    for text in try GoldenVocabulary.texts() {
        let tokens = tokenizer.encode(text)
        let decoded = tokenizer.decode(tokens, trimsLeadingSpace: tokenizer.addsSpacePrefix)
        // SentencePiece writes spaces as this character and so cannot tell them apart.
        let expected =
            tokenizer.isSentencePiece
            ? text.unicodeScalars.map { $0 == "\u{2581}" ? " " : String($0) }.joined()
            : name == "qwen2" ? text.precomposedStringWithCanonicalMapping : text
        #expect(Array(decoded.utf8) == Array(expected.utf8), "\(text.debugDescription)")
    }
}

@Test(arguments: allVocabularies)
func textOfUsersNeverBecomesAControlToken(name: String) throws {
    let tokenizer = try GoldenVocabulary.tokenizer(name)
    let control = Set(
        (0..<TokenID(tokenizer.vocabularySize)).filter {
            tokenizer.piece($0).isEmpty
        })
    #expect(!control.isEmpty)
    for special in try GoldenVocabulary.named(name).special {
        #expect(control.isDisjoint(with: tokenizer.encode(special.text)), "\(special.text)")
    }
    for text in try GoldenVocabulary.texts() {
        #expect(control.isDisjoint(with: tokenizer.encode(text)), "\(text.debugDescription)")
    }
}

@Test func theEndsOfATextAreAddedWhereTheVocabularyAsks() throws {
    let begin: [String: TokenID?] = [
        "llama-spm": 1, "gemma": 1, "llama-bpe": 903, "qwen2": nil, "gpt-2": nil,
    ]
    for (name, token) in begin {
        let tokenizer = try GoldenVocabulary.tokenizer(name)
        let plain = tokenizer.encode("Hello")
        let whole = tokenizer.encode("Hello", addSpecial: true)
        #expect(whole == [token].compactMap { $0 } + plain)
        #expect(tokenizer.encode("", addSpecial: true) == [token].compactMap { $0 })
    }
}

@Test func answersEndWithTheTokensOfTheirVocabulary() throws {
    let ends = [
        "llama-spm": ["</s>"], "gemma": ["<end_of_turn>"], "phi-3": ["<|endoftext|>", "<|end|>"],
        "yi": ["<|im_end|>"],
        "llama-bpe": ["<|end_of_text|>", "<|eot_id|>"],
        "qwen2": ["<|endoftext|>", "<|im_end|>"], "gpt-2": ["<|endoftext|>"],
    ]
    for (name, texts) in ends {
        let tokenizer = try GoldenVocabulary.tokenizer(name)
        #expect(Set(tokenizer.endOfGeneration.map(tokenizer.tokenText)) == Set(texts))
    }
}

@Test func segmentsAreEncodedAsIfTheyWereOneText() throws {
    for name in textVocabularies {
        let tokenizer = try GoldenVocabulary.tokenizer(name)
        let text = "USER: What's this? ASSISTANT: It's a 12345."
        let whole = tokenizer.encode(text)
        let bytes = Array(text.utf8)
        for cut in 0...bytes.count {
            let parts = [bytes[..<cut], bytes[cut...]].map { String(decoding: $0, as: UTF8.self) }
            let segments = [
                TextSegment(parts[0], parsesSpecial: true),
                TextSegment(parts[1], parsesSpecial: false),
            ]
            #expect(tokenizer.encode(segments) == whole)
        }
    }
}

@Test func aControlTokenIsNotMadeFromTwoSidesOfABorder() throws {
    let tokenizer = try GoldenVocabulary.tokenizer("llama-bpe")
    let end = try #require(tokenizer.specialToken("<|eot_id|>"))
    func encode(_ first: String, _ isTemplate: Bool, _ second: String, _ other: Bool) -> [TokenID] {
        tokenizer.encode([
            TextSegment(first, parsesSpecial: isTemplate),
            TextSegment(second, parsesSpecial: other),
        ])
    }
    #expect(encode("<|eot", true, "_id|>", true) == [end])
    #expect(!encode("<|eot", false, "_id|>", true).contains(end))
    #expect(!encode("<|eot", true, "_id|>", false).contains(end))
    #expect(encode("<|eot_id|>", false, "<|eot_id|>", true).filter { $0 == end }.count == 1)
}

@Test func everyCharacterHasTheClassOfTheReference() throws {
    let names: [String: CharacterClass] = [
        "upper": .upperCase, "title": .titleCase, "lower": .lowerCase, "caseless": .caseless,
        "mark": .mark, "number": .number, "punctuation": .punctuation, "symbol": .symbol,
        "space": .otherSpace,
    ]
    let ranges: [String: [[UInt32]]] = try GoldenVocabulary.decoded("classes.json")
    #expect(Set(ranges.keys) == Set(names.keys))
    var expected = [CharacterClass](repeating: .other, count: 0x110000)
    for (name, ranges) in ranges {
        for range in ranges {
            for value in range[0]...range[1] { expected[Int(value)] = names[name] ?? .other }
        }
    }
    (expected[10], expected[13], expected[32]) = (.newline, .newline, .space)
    var differing: [String] = []
    for value in UInt32(0)...0x10FFFF {
        guard let scalar = Unicode.Scalar(value) else { continue }
        // The reference knows Unicode 16, and Unicode 17 made U+0295 caseless.
        if let age = scalar.properties.age, age.major > 16 || value == 0x295 { continue }
        if CharacterClass(scalar) != expected[Int(value)] {
            differing.append(String(value, radix: 16))
        }
    }
    #expect(differing.isEmpty, "\(differing.count): \(differing.prefix(20))")
    #expect(expected.count { $0 == .caseless } > 130_000)
}
