// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Tokenization

private func words(_ text: String, _ preTokenizer: PreTokenizer) -> [String] {
    preTokenizer.words(in: Array(text.utf8)[...]).map { String(decoding: $0, as: UTF8.self) }
}

/// A text and its words by the three rules.
private struct Case: Sendable {
    let text: String
    let llama3: [String]
    let qwen2: [String]
    let gpt2: [String]

    init(_ text: String, llama3: [String], qwen2: [String]? = nil, gpt2: [String]? = nil) {
        self.text = text
        self.llama3 = llama3
        self.qwen2 = qwen2 ?? llama3
        self.gpt2 = gpt2 ?? llama3
    }
}

@Test(arguments: [
    Case("", llama3: []),
    Case("a", llama3: ["a"]),
    Case(" ", llama3: [" "]),
    Case("Hello  world", llama3: ["Hello", " ", " world"]),
    Case("12345", llama3: ["123", "45"], qwen2: ["1", "2", "3", "4", "5"], gpt2: ["12345"]),
    Case(" 12", llama3: [" ", "12"], qwen2: [" ", "1", "2"], gpt2: [" 12"]),
    Case("I'll", llama3: ["I", "'ll"]),
    Case("I'LL", llama3: ["I", "'LL"], gpt2: ["I", "'", "LL"]),
    Case("'ſaid", llama3: ["'ſ", "aid"], gpt2: ["'", "ſaid"]),
    Case("'", llama3: ["'"]),
    Case("'r", llama3: ["'r"], gpt2: ["'", "r"]),
    Case("\tx\t\tx", llama3: ["\tx", "\t", "\tx"], gpt2: ["\t", "x", "\t", "\t", "x"]),
    Case("a\r\n b", llama3: ["a", "\r\n", " b"]),
    Case("a \n \n  b", llama3: ["a", " \n \n", " ", " b"], gpt2: ["a", " \n \n ", " b"]),
    Case("a  ", llama3: ["a", "  "]),
    Case("!!\n\nx", llama3: ["!!\n\n", "x"], gpt2: ["!!", "\n", "\n", "x"]),
    Case("\u{A0}x", llama3: ["\u{A0}x"], gpt2: ["\u{A0}", "x"]),
    Case(
        " ٣½Ⅳ", llama3: [" ", "٣½Ⅳ"], qwen2: [" ", "٣", "½", "Ⅳ"], gpt2: [" ٣½Ⅳ"]),
    Case(
        "e\u{301}a", llama3: ["e", "\u{301}a"], qwen2: ["\u{E9}a"], gpt2: ["e", "\u{301}", "a"]),
])
private func wordsFollowTheRules(example: Case) {
    #expect(words(example.text, .llama3) == example.llama3)
    #expect(words(example.text, .qwen2) == example.qwen2)
    #expect(words(example.text, .gpt2) == example.gpt2)
}

/// The lengths of words, in characters, by the name of the rule that splits `texts.json`.
private func goldenWords() throws -> [String: [[Int]]] {
    try GoldenVocabulary.decoded("words.json")
}

@Test func everyRuleSplitsHardTextsAsTheReferenceDoes() throws {
    let texts = try GoldenVocabulary.texts()
    let golden = try goldenWords()
    #expect(golden.count >= 16)
    for (name, expected) in golden {
        let preTokenizer = try #require(PreTokenizer.named(name), "\(name)")
        try #require(expected.count == texts.count)
        for (text, lengths) in zip(texts, expected) {
            let words = words(text, preTokenizer)
            #expect(
                words.map(\.unicodeScalars.count) == lengths, "\(name): \(text.debugDescription)")
            #expect(
                preTokenizer.composes || words.joined().utf8.elementsEqual(text.utf8), "\(name)")
        }
    }
}

@Test(
    .timeLimit(.minutes(5)),
    arguments: [
        "llama-bpe", "qwen2", "qwen35", "gpt-2", "smollm", "falcon", "default", "tekken", "gpt-4o",
        "deepseek-llm", "deepseek-coder", "deepseek-v3", "viking", "gemma4",
    ])
func noRuleTakesMoreThanLinearTime(name: String) throws {
    let preTokenizer = try #require(PreTokenizer.named(name))
    let runs = [
        "a", "A", " ", "\t", "\n", " \n", "1", "!", "'", "\u{301}", "\u{301}\u{323}", "漢", "\u{1}",
    ]
    for run in runs {
        let text = String(repeating: run, count: 100_000 / run.utf8.count)
        for padded in [text + "x", "x" + text] {
            #expect(words(padded, preTokenizer).map(\.utf8.count).reduce(0, +) > 0)
        }
    }
}

@Test func charactersAreComposedInUnicodesCanonicalForm() {
    func composed(_ text: String) -> String { words(text, .qwen2).joined() }
    for (text, expected) in [
        ("e\u{301}", "\u{E9}"), ("\u{212B}\u{2126}", "\u{C5}\u{3A9}"),
        ("\u{1112}\u{1161}\u{11AB}", "\u{D55C}"), ("q\u{307}\u{323}", "q\u{323}\u{307}"),
        ("\u{F73}", "\u{F71}\u{F72}"), ("\u{A67A}\u{F73}", "\u{F71}\u{F72}\u{A67A}"),
        ("a\u{30A}\0b", "\u{E5}\0b"), ("\u{915}\u{93C}", "\u{915}\u{93C}"),
    ] {
        #expect(composed(text).unicodeScalars.elementsEqual(expected.unicodeScalars), "\(text)")
    }
}

@Test func namesAreThoseOfOneRuleEach() {
    #expect(Set(PreTokenizer.names).count == PreTokenizer.names.count)
    #expect(PreTokenizer.named("smollm") != nil && PreTokenizer.named("nonesuch") == nil)
}
