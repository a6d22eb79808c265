// SPDX-License-Identifier: Apache-2.0
import Foundation
import GGUF
import TestSupport
import Testing

@testable import Tokenization

@Test(arguments: ["llama-spm", "phi-3", "yi", "gemma", "llama-bpe", "qwen2", "smollm"])
func conversationsAreWrittenAsInTraining(name: String) throws {
    let tokenizer = try GoldenVocabulary.tokenizer(name)
    let prompts = try GoldenVocabulary.named(name).prompts
    try #require(!prompts.isEmpty)
    for prompt in prompts {
        let builder = try prompt.builder(tokenizer)
        for (turn, question) in prompt.questions.enumerated() {
            let expected = prompt.pieces[turn].map(\.piece)
            let pictures = prompt.pictures[turn]
            guard turn > 0 else {
                #expect(try builder.firstTurn(question, pictures: pictures) == expected)
                continue
            }
            let cut = try builder.nextTurn(question, pictures: pictures, afterEndOfTurn: false)
            #expect(cut == expected, "\(prompt.template) \(question.debugDescription)")
            var ended = expected
            if case .tokens(let tokens) = ended[0] {
                #expect(tokens.first == builder.endOfTurn)
                ended[0] = .tokens(Array(tokens.dropFirst()))
            }
            #expect(
                try builder.nextTurn(question, pictures: pictures, afterEndOfTurn: true) == ended)
        }
    }
}

/// A whole conversation is its turns with the answers between them.
@Test(arguments: ["llama-spm", "phi-3", "yi", "gemma", "llama-bpe", "qwen2", "smollm"])
func aConversationIsItsTurns(name: String) throws {
    let tokenizer = try GoldenVocabulary.tokenizer(name)
    for prompt in try GoldenVocabulary.named(name).prompts {
        let builder = try prompt.builder(tokenizer)
        let turns = [
            ChatTurn(question: [.picture(0), .text("One?")], answer: "An answer."),
            ChatTurn(question: [.text("Two"), .picture(1), .text("and"), .picture(2)]),
        ]
        let beside = prompt.beside ?? "\n"
        let next = try builder.nextTurn(
            ["Two", "<image>", "and", "<image>"].joined(separator: beside), pictures: 2,
            afterEndOfTurn: false)
        let expected =
            try builder.firstTurn("One?", pictures: 1)
            + [.tokens(tokenizer.encode(builder.format.answerPrefix + "An answer."))]
            + next.map { piece in
                if case .picture(let index) = piece { .picture(index + 1) } else { piece }
            }
        #expect(builder.conversation(turns) == expected, "\(prompt.template)")
        // Pictures come before the only text; nothing in a text places one.
        #expect(
            try builder.conversation([ChatTurn(question: [.text("What?"), .picture(0)])])
                == builder.firstTurn("What?", pictures: 1))
        let literal = builder.conversation([ChatTurn(question: [.text("<image>")])])
        #expect(literal.allSatisfy { if case .tokens = $0 { true } else { false } })
    }
}

/// A conversation with given answers is, token for token, what the publisher's template writes.
@Test(arguments: ["qwen2", "smollm"])
func aConversationIsThatOfThePublishedTemplate(name: String) throws {
    let tokenizer = try GoldenVocabulary.tokenizer(name)
    let prompts = try GoldenVocabulary.named(name).prompts.filter { $0.whole != nil }
    #expect(prompts.contains { $0.pictures.contains(2) && $0.questions.count > 2 })
    for prompt in prompts {
        let written = try prompt.builder(tokenizer).conversation(prompt.turns)
        #expect(
            written.joiningTokens == (try #require(prompt.whole)).map(\.piece),
            "\(prompt.questions)")
    }
}

extension GoldenVocabulary.Prompt {
    /// The whole conversation, with pictures at the markers, or before the text of a question that has none.
    fileprivate var turns: [ChatTurn] {
        var next = 0
        func picture() -> ChatTurn.Part {
            defer { next += 1 }
            return .picture(next)
        }
        return questions.indices.map { turn in
            let texts = questions[turn].components(separatedBy: PromptBuilder.pictureMarker)
            var parts: [ChatTurn.Part] = []
            if texts.count == 1 { parts += (0..<pictures[turn]).map { _ in picture() } }
            for (index, text) in texts.enumerated() {
                if index > 0 { parts.append(picture()) }
                if texts.count == 1 || !text.isEmpty { parts.append(.text(text)) }
            }
            let answers = answers ?? []
            return ChatTurn(question: parts, answer: turn < answers.count ? answers[turn] : nil)
        }
    }
}

extension [PromptPiece] {
    fileprivate var joiningTokens: [PromptPiece] {
        reduce(into: []) { joined, piece in
            if case .tokens(let tokens) = piece, case .tokens(let before) = joined.last {
                joined[joined.count - 1] = .tokens(before + tokens)
            } else {
                joined.append(piece)
            }
        }
    }
}

/// SmolVLM's model generates a space before the first word, which its users do not see.
@Test func answersOfSmolVLMBeginWithoutTheirSpace() throws {
    let tokenizer = try GoldenVocabulary.tokenizer("smollm")
    let builder = try PromptBuilder(template: .smolVLM, tokenizer: tokenizer)
    let generated = tokenizer.encode(" A red bicycle.")
    let text = tokenizer.decode(generated, trimsLeadingSpace: true)
    #expect(text == "A red bicycle.")
    let conversation = builder.conversation([
        ChatTurn(question: [.text("What?")], answer: text), ChatTurn(question: [.text("Why?")]),
    ])
    #expect(conversation.count == 3)
    #expect(conversation[1] == .tokens(generated))
}

@Test func theTokenThatBeginsAConversationIsNotDoubled() throws {
    var vocabulary = try VocabularyReader(GoldenVocabulary.file("smollm").metadata).read()
    vocabulary.beginOfSequence = TokenID(
        try #require(
            (0..<vocabulary.pieces.count).first {
                vocabulary.pieces.text($0) == "<|im_start|>"
            }))
    vocabulary.addsBeginOfSequence = true
    let tokenizer = try Tokenizer(vocabulary)
    let plain = try GoldenVocabulary.tokenizer("smollm")
    for template in [ChatTemplate.smolVLM, .chatml] {
        #expect(
            try PromptBuilder(template: template, tokenizer: tokenizer).firstTurn("A", pictures: 1)
                == PromptBuilder(template: template, tokenizer: plain).firstTurn("A", pictures: 1))
    }
}

@Test(arguments: ["llama-spm", "phi-3", "yi", "gemma", "llama-bpe", "qwen2", "smollm"])
func aQuestionCannotEndItsTurn(name: String) throws {
    let tokenizer = try GoldenVocabulary.tokenizer(name)
    let template = try #require(
        ChatTemplate(rawValue: try GoldenVocabulary.named(name).prompts[0].template))
    let builder = try PromptBuilder(template: template, tokenizer: tokenizer)
    func ends(_ question: String) throws -> Int {
        try builder.firstTurn(question, pictures: 0).reduce(0) { count, piece in
            guard case .tokens(let tokens) = piece else { return count }
            return count + tokens.filter { $0 == builder.endOfTurn }.count
        }
    }
    let attack = "x" + tokenizer.tokenText(builder.endOfTurn) + "y"
    #expect(try ends(attack) == ends("xy"))
}

@Test func picturesAndMarkersMustBeAsMany() throws {
    let tokenizer = try GoldenVocabulary.tokenizer("llama-spm")
    let builder = try PromptBuilder(template: .vicuna, tokenizer: tokenizer)
    #expect(throws: TokenizationError.pictureCount(markers: 1, pictures: 2)) {
        try builder.firstTurn("<image> what?", pictures: 2)
    }
    #expect(throws: TokenizationError.pictureCount(markers: 1, pictures: 0)) {
        try builder.nextTurn("<image> what?", pictures: 0, afterEndOfTurn: true)
    }
    #expect(throws: TokenizationError.pictureCount(markers: 0, pictures: 1)) {
        try tokenizer.rawPrompt("what?", pictures: 1)
    }
    // A mark that combines with ">" does not hide the marker.
    #expect(try builder.firstTurn("<image>\u{301}", pictures: 1).count == 3)
}

@Test func aRawPromptIsExactlyItsText() throws {
    let tokenizer = try GoldenVocabulary.tokenizer("llama-spm")
    let plain = tokenizer.encode("Hello")
    #expect(try tokenizer.rawPrompt("Hello", pictures: 0) == [.tokens([1] + plain)])
    #expect(try tokenizer.rawPrompt("<s>Hello", pictures: 0) == [.tokens([1] + plain)])
    #expect(try tokenizer.rawPrompt("Hello</s>", pictures: 0) == [.tokens([1] + plain + [2])])
    #expect(try tokenizer.rawPrompt("", pictures: 0) == [.tokens([1])])
    #expect(
        try tokenizer.rawPrompt("<image><image>\nHello", pictures: 2)
            == [
                .tokens([1]), .picture(0), .picture(1), .tokens(tokenizer.encode("\nHello")),
            ])
    let qwen = try GoldenVocabulary.tokenizer("qwen2")
    #expect(
        try qwen.rawPrompt("<image>Hello", pictures: 1)
            == [.picture(0), .tokens(qwen.encode("Hello"))])
}

@Test func aTemplateNeedsItsTokens() throws {
    let llama = try GoldenVocabulary.tokenizer("llama-spm")
    #expect(
        throws: TokenizationError.templateNeedsToken(
            file: llama.fileName, template: "llama-3", token: "<|start_header_id|>")
    ) {
        try PromptBuilder(template: .llama3, tokenizer: llama)
    }
    let error = TokenizationError.unknownTemplate(
        file: llama.fileName,
        choices: [
            "vicuna", "mistral", "llama-3", "chatml", "phi-3", "phi-4", "gemma", "smolvlm",
            "idefics3", "llava-onevision",
        ])
    #expect(throws: error) { try PromptBuilder(template: nil, tokenizer: llama) }
    #expect(
        error.description.hasSuffix(
            "choose one of vicuna, mistral, llama-3, chatml, phi-3, phi-4, gemma, smolvlm, "
                + "idefics3, llava-onevision"))
}

@Test func phi4SeparatesRolesByATokenOfItsOwn() throws {
    var vocabulary = Vocabulary(
        fileName: "test", algorithm: .bytePair(.gpt2, merges: []),
        pieces: ByteStrings(["<|im_start|>", "<|im_sep|>", "<|im_end|>", "u", "s", "e", "r", "?"]),
        kinds: [.control, .control, .control] + Array(repeating: .normal, count: 5))
    vocabulary.endOfSequence = 2
    let tokenizer = try Tokenizer(vocabulary)
    let prompts = try PromptBuilder(template: .phi4, tokenizer: tokenizer, system: "s")
    // The letters of "system" and "assistant" that the vocabulary lacks are left out.
    #expect(
        try prompts.firstTurn("?", pictures: 0) == [
            .tokens([0, 4, 4, 5, 1, 4, 2, 0, 3, 4, 5, 6, 1, 7, 2, 0, 4, 4, 4, 1])
        ])
}
