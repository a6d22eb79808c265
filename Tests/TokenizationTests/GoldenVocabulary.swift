// SPDX-License-Identifier: Apache-2.0
import Foundation
import GGUF
import TestSupport

@testable import Tokenization

/// A small trained vocabulary, and texts that independent tokenizers have encoded with it.
struct GoldenVocabulary: Decodable {
    struct Special: Decodable {
        let text: String
        let tokens: [TokenID]
    }

    struct Prompt: Decodable {
        let template: String
        let system: String?
        let questions: [String]
        let pictures: [Int]
        let pieces: [[Piece]]
        /// The text between a picture and a text; nil for LLaVA's.
        let beside: String?
        /// The answers of the whole conversation, and how the publisher's template writes it.
        let answers: [String]?
        let whole: [Piece]?

        func builder(_ tokenizer: Tokenizer) throws -> PromptBuilder {
            try PromptBuilder(
                template: ChatTemplate(rawValue: template), tokenizer: tokenizer, system: system,
                besidePictures: beside ?? "\n")
        }
    }

    /// A list of tokens, or the number of a picture.
    struct Piece: Decodable {
        let piece: PromptPiece

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            piece =
                if let picture = try? container.decode(Int.self) {
                    .picture(picture)
                } else {
                    .tokens(try container.decode([TokenID].self))
                }
        }
    }

    /// The tokens of each of `texts`, for the vocabularies that have them.
    let plain: [[TokenID]]
    let special: [Special]
    let prompts: [Prompt]

    static func named(_ name: String) throws -> GoldenVocabulary {
        try decoded("\(name).json")
    }

    static func texts() throws -> [String] {
        try decoded("texts.json")
    }

    static func decoded<Value: Decodable>(_ file: String) throws -> Value {
        try JSONDecoder().decode(Value.self, from: Data(Fixture.bytes("tokenizers/\(file)")))
    }

    static func file(_ name: String) throws -> GGUFFile {
        try GGUFFile(path: Fixture.path("tokenizers/\(name).gguf"))
    }

    static func tokenizer(_ name: String) throws -> Tokenizer {
        try Tokenizer(metadata: file(name).metadata)
    }
}
