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
    Case("e\u{301}a", llama3: ["e", "\u{301}a"], gpt2: ["e", "\u{301}", "a"]),
])
private func wordsFollowTheRules(example: Case) {
    #expect(words(example.text, .llama3) == example.llama3)
    #expect(words(example.text, .qwen2) == example.qwen2)
    #expect(words(example.text, .gpt2) == example.gpt2)
}
