// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import GGUF
import Generation
import TestSupport
import TokenPruning
import Tokenization
import UserText

@testable import Captioning
@testable import ModelStore

extension FuzzTarget {
    private static let tokenizers: [Tokenizer] = [
        "gemma", "gpt-2", "llama-bpe", "llama-spm", "phi-3", "qwen2", "smollm", "yi",
    ].map { name in
        do {
            let file = try GGUFFile(path: Fixture.path("tokenizers/\(name).gguf"))
            return try Tokenizer(metadata: file.metadata)
        } catch {
            preconditionFailure("\(name): \(error)")
        }
    }

    /// A text for the tokenizer that the first byte names: what goes in comes out again.
    static let tokens = FuzzTarget("tokens") { bytes in
        guard let first = bytes.first else { return }
        let tokenizer = tokenizers[Int(first) % tokenizers.count]
        let text = String(decoding: bytes.dropFirst(), as: UTF8.self)
        _ = tokenizer.encode(text, parseSpecial: true, addSpecial: true)
        let tokens = tokenizer.encode(text)
        precondition(tokens.allSatisfy { (0..<tokenizer.vocabularySize).contains(Int($0)) })
        var stream = StreamingDetokenizer(
            tokenizer: tokenizer, trimsLeadingSpace: tokenizer.addsSpacePrefix)
        let streamed = tokens.map { stream.append($0) }.joined() + stream.finish()
        // SentencePiece writes spaces as U+2581. Qwen2's tokenizer composes characters first.
        let expected =
            tokenizer.isSentencePiece
            ? String(
                String.UnicodeScalarView(text.unicodeScalars.map { $0 == "\u{2581}" ? " " : $0 }))
            : text
        let isSame =
            tokenizer.fileName.hasSuffix("qwen2.gguf")
            ? streamed == expected : Array(streamed.utf8) == Array(expected.utf8)
        precondition(isSame, "\(streamed.debugDescription)")
    }

    private static let builders: [PromptBuilder] = tokenizers.flatMap { tokenizer in
        ChatTemplate.allCases.compactMap { template in
            try? PromptBuilder(template: template, tokenizer: tokenizer)
        }
    }

    /// A conversation of texts between NULs, in the template that the first byte names: nothing that is typed ends a turn.
    static let conversation = FuzzTarget("conversation") { bytes in
        guard let first = bytes.first else { return }
        let builder = builders[Int(first) % builders.count]
        let texts = bytes.dropFirst().split(separator: 0, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        func endsOfTurn(_ texts: [String]) -> Int {
            var turns: [ChatTurn] = []
            for (index, text) in texts.enumerated() {
                if index % 2 == 0 {
                    turns.append(ChatTurn(question: [.text(text), .picture(index / 2)]))
                } else {
                    turns[turns.count - 1].answer = text
                }
            }
            if texts.count % 2 == 0 { turns.append(ChatTurn(question: [])) }
            return builder.conversation(turns).reduce(0) { sum, piece in
                guard case .tokens(let tokens) = piece else { return sum }
                return sum + tokens.count { $0 == builder.endOfTurn }
            }
        }
        precondition(endsOfTurn(texts) == endsOfTurn(texts.map { _ in "a" }))
        // Markers may name another number of pictures than there are.
        _ = try builder.firstTurn(texts.first ?? "", pictures: 1)
    }

    /// A user's file of text, in any encoding.
    static let userText = FuzzTarget("user-text") { bytes in
        _ = Result { try UserText.entries(of: bytes, place: "here") }
        _ = Result { try UserText.line(bytes, place: "here") }
        _ = Result { try UserText.exactText(bytes, place: "here") }
        let text = try UserText.text(bytes, place: "here")
        let lines = UserText.lines(of: text)
        precondition(!lines.contains { $0.utf8.contains(UInt8(ascii: "\n")) })
    }

    /// Options with a syntax of their own.
    static let options = FuzzTarget("options") { bytes in
        let text = String(decoding: bytes, as: UTF8.self)
        if let budget = try? KeepBudget(parsing: text) {
            let again = try KeepBudget(parsing: "\(budget)")
            precondition(again == budget, "\(budget)")
        }
        if let shard = Shard(parsing: text) { _ = shard.contains(FilePath(bytes)) }
        _ = ParallelChoice(parsing: text)
        if let name = try ModelName(text) { _ = try name.quantised(text) }
    }
}
