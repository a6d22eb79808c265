// SPDX-License-Identifier: Apache-2.0
import GGUF
import TestSupport
import Testing

@testable import Tokenization

/// Metadata with these key-value pairs, read from a file.
func metadata(_ pairs: [(String, GGUFWriterValue)]) throws -> GGUFMetadata {
    var writer = GGUFWriter()
    for (key, value) in pairs { writer.set(key, value) }
    let folder = try TemporaryFolder()
    return try GGUFFile(path: folder.write(writer.bytes(), to: "vocabulary.gguf")).metadata
}

/// A vocabulary with some keys replaced, added or, if nil, removed.
private func tokenizer(
    _ pairs: [(String, GGUFWriterValue)], _ changes: [String: GGUFWriterValue?] = [:]
) throws -> Tokenizer {
    let kept = pairs.filter { !changes.keys.contains($0.0) }
    let changed = changes.compactMap { key, value in value.map { (key, $0) } }
    return try Tokenizer(metadata: metadata(kept + changed))
}

private var sentencePiece: [(String, GGUFWriterValue)] {
    [
        ("tokenizer.ggml.model", .string("llama")),
        ("tokenizer.ggml.tokens", .strings(["<unk>", "<s>", "</s>", "\u{2581}", "a", "b"])),
        ("tokenizer.ggml.scores", .float32s([0, 0, 0, -1, -2, -3])),
        ("tokenizer.ggml.token_type", .int32s([2, 3, 3, 1, 1, 1])),
    ]
}

private var bytePair: [(String, GGUFWriterValue)] {
    [
        ("tokenizer.ggml.model", .string("gpt2")),
        ("tokenizer.ggml.pre", .string("gpt-2")),
        ("tokenizer.ggml.tokens", .strings(["a", "b", "ab", "Ġ", "<end>"])),
        ("tokenizer.ggml.token_type", .int32s([1, 1, 1, 1, 3])),
        ("tokenizer.ggml.merges", .strings(["a b"])),
    ]
}

/// The error message for a file with these changes, without the file's name.
private func refusal(
    _ pairs: [(String, GGUFWriterValue)], _ changes: [String: GGUFWriterValue?]
) -> String? {
    do {
        _ = try tokenizer(pairs, changes)
        return nil
    } catch {
        let message = "\(error)"
        return message.contains("vocabulary.gguf: ")
            ? message.split(separator: "vocabulary.gguf: ").last.map(String.init) : message
    }
}

@Test func minimalVocabulariesAreAccepted() throws {
    #expect(try tokenizer(sentencePiece).encode("ab a", addSpecial: true) == [1, 3, 4, 5, 3, 4])
    #expect(try tokenizer(bytePair).encode("ab a", addSpecial: true) == [2, 3, 0])
}

@Test(arguments: [
    ("tokenizer.ggml.model", nil, "the metadata lacks the key 'tokenizer.ggml.model'"),
    (
        "tokenizer.ggml.model", "bert",
        "metadata 'tokenizer.ggml.model' is 'bert', which is not supported; supported: llama, gpt2, gemma4"
    ),
    ("tokenizer.ggml.tokens", nil, "the metadata lacks the key 'tokenizer.ggml.tokens'"),
    (
        "tokenizer.ggml.tokens", "a",
        "metadata 'tokenizer.ggml.tokens' is str, expected an array of strings"
    ),
    ("tokenizer.ggml.scores", nil, "the metadata lacks the key 'tokenizer.ggml.scores'"),
    (
        "tokenizer.ggml.bos_token_id", "1",
        "metadata 'tokenizer.ggml.bos_token_id' is str, expected an integer"
    ),
    (
        "tokenizer.ggml.add_bos_token", "true",
        "metadata 'tokenizer.ggml.add_bos_token' is str, expected a bool"
    ),
])
func missingAndMistypedKeysAreNamed(key: String, value: String?, message: String) {
    #expect(refusal(sentencePiece, [key: value.map { .string($0) }]) == message)
}

@Test func arraysMustFitTheTokens() {
    for (key, value, found) in [
        ("tokenizer.ggml.scores", GGUFWriterValue.float32s([0, 0, 0, -1, -2]), 5),
        ("tokenizer.ggml.scores", .float32s(Array(repeating: 0, count: 7)), 7),
        ("tokenizer.ggml.token_type", .int32s([]), 0),
        ("tokenizer.ggml.token_type", .int32s(Array(repeating: 1, count: 700)), 700),
    ] {
        #expect(
            refusal(sentencePiece, [key: value])
                == "metadata '\(key)' has \(found) elements, expected 6, one per token")
    }
    #expect(
        refusal(sentencePiece, ["tokenizer.ggml.tokens": .strings([])])
            == "metadata 'tokenizer.ggml.tokens', element 0: there is no token")
}

@Test func elementsMustMeanSomething() {
    #expect(
        refusal(sentencePiece, ["tokenizer.ggml.token_type": .int32s([2, 3, 3, 1, 7, 1])])
            == "metadata 'tokenizer.ggml.token_type', element 4: the token type is 7, "
            + "expected 1 to 6")
    #expect(
        refusal(sentencePiece, ["tokenizer.ggml.token_type": .int32s([2, 3, 3, 1, 1, -1])])
            == "metadata 'tokenizer.ggml.token_type', element 5: the token type is -1, "
            + "expected 1 to 6")
    #expect(
        refusal(sentencePiece, ["tokenizer.ggml.scores": .float32s([0, 0, 0, .nan, 0, 0])])
            == "metadata 'tokenizer.ggml.scores', element 3: the score is not a number")
}

@Test(arguments: [
    "bos_token_id", "eos_token_id", "unknown_token_id", "eot_token_id", "eom_token_id",
])
func specialTokensMustExist(name: String) {
    let key = "tokenizer.ggml.\(name)"
    for token in [6, 1_000_000, Int(UInt32.max)] {
        #expect(
            refusal(sentencePiece, [key: .uint32(UInt32(token))])
                == "metadata '\(key)' names token \(token), but the vocabulary has 6 tokens")
    }
    #expect(
        refusal(sentencePiece, [key: .int32(-1)])
            == "metadata '\(key)' names token -1, but the vocabulary has 6 tokens")
    #expect(refusal(sentencePiece, [key: .uint8(5)]) == nil)
}

@Test func tokensMustDiffer() throws {
    #expect(
        refusal(
            sentencePiece,
            ["tokenizer.ggml.tokens": .strings(["<unk>", "<s>", "</s>", "a", "b", "a"])])
            == "tokens 3 and 5 have the same text 'a'")
    // Canonically equivalent texts are different bytes and so different tokens.
    let tokenizer = try tokenizer(
        sentencePiece,
        ["tokenizer.ggml.tokens": .strings(["<unk>", "<s>", "</s>", "\u{2581}", "é", "e\u{301}"])])
    #expect(tokenizer.encode("é") == [3, 4])
    #expect(tokenizer.encode("e\u{301}") == [3, 5])
    // Several tokens without text are told apart by their numbers.
    #expect(
        refusal(
            sentencePiece, ["tokenizer.ggml.tokens": .strings(["<unk>", "<s>", "", "", "", "a"])])
            == nil)
}

@Test func mergesMustJoinTokensIntoTokens() {
    let key = "tokenizer.ggml.merges"
    let problem = "joins or makes a piece that is not a token"
    for (merge, problem) in [
        ("ab", "is not two pieces with a space between them"),
        ("", "is not two pieces with a space between them"),
        (" ", "is not two pieces with a space between them"),
        ("a", "is not two pieces with a space between them"),
        ("a ", problem), ("a c", problem), ("c a", problem), ("b a", problem),
    ] {
        #expect(
            refusal(bytePair, [key: .strings(["a b", merge])])
                == "metadata '\(key)', element 1: '\(merge)' \(problem)")
    }
    #expect(
        refusal(
            bytePair,
            [
                key: .strings(["<end >"]),
                "tokenizer.ggml.tokens": .strings(["a", "<end", ">", "Ġ", "<end>"]),
            ]) == "metadata '\(key)', element 0: '<end >' makes a control token")
    #expect(refusal(bytePair, [key: nil]) == "the metadata lacks the key '\(key)'")
}

@Test func unknownPreTokenizersAreRefusedByName() throws {
    let key = "tokenizer.ggml.pre"
    let supported =
        "which is not supported; supported: \(PreTokenizer.names.joined(separator: ", "))"
    #expect(
        refusal(bytePair, [key: .string("nonesuch")])
            == "metadata '\(key)' is 'nonesuch', \(supported)")
    #expect(refusal(bytePair, [key: nil]) == "metadata '\(key)' is '(absent)', \(supported)")
    // The first files of Llama-3 have no such key; its vocabulary is known by its size.
    let tokens = ["a", "b", "ab", "Ġ"] + (4..<128_256).map { "[\($0)]" }
    let tokenizer = try tokenizer(
        bytePair,
        [
            key: nil, "tokenizer.ggml.tokens": .strings(tokens), "tokenizer.ggml.token_type": nil,
            "tokenizer.ggml.bos_token_id": .uint32(128_000),
        ])
    #expect(tokenizer.encode("a", addSpecial: true) == [128_000, 0])
}
