// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import GGUF
import Tokenization
import TrimLLaVA
import UserText

/// `trimllava tokenize`: the tokens of texts.
struct TokenizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenize",
        abstract: "Prints the tokens of texts, one line for each text.",
        discussion: """
            Texts come from the arguments, from --file as one text, or else from the lines of standard input.
            """)

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Text model (GGUF), or a model's name.", valueName: "file"),
        completion: .file())
    var model: String

    @OptionGroup var store: StoreOptions

    @Option(
        help: ArgumentHelp(
            "Read a file, or - for standard input, as one text with its line ends.",
            valueName: "file"),
        completion: .file())
    var file: String?

    @Flag(help: "Print each token with its text, as 15043:\" Hello\".")
    var pieces = false

    @Flag(help: "Print a JSON object for each text, with text, tokens and pieces.")
    var json = false

    @Flag(
        name: .customLong("no-bos"),
        help: "Do not add the tokens that the model expects around a text, such as <s>.")
    var noBeginOfSequence = false

    @Flag(help: "Recognise special tokens, such as </s>, in the text.")
    var special = false

    @Argument(help: ArgumentHelp("Texts.", valueName: "text"))
    var texts: [String] = []

    func validate() throws {
        if file != nil && !texts.isEmpty {
            throw ValidationError("give either texts or --file, not both")
        }
        if pieces && json {
            throw ValidationError("give either --pieces or --json; the JSON has the pieces")
        }
    }

    func run() throws {
        try TextInput.checkArguments()
        let inputs = try inputs()
        let tokenizer = try Tokenizer(metadata: GGUFFile(path: model).metadata)
        for text in inputs {
            try writeOutput(line(for: text, tokenizer))
        }
    }

    private func inputs() throws -> [String] {
        if let file { return [try Self.exactText(at: file)] }
        guard texts.isEmpty else { return texts }
        return UserText.lines(of: try UserText.text(at: "-".utf8, limit: UserText.listLimit))
    }

    /// The text of a file with all of its bytes, which become tokens.
    private static func exactText(at path: String) throws -> String {
        try UserText.exactText(
            UserText.bytes(at: path.utf8), place: UserText.name(of: path.utf8))
    }

    /// The printed line for a text, with its end.
    func line(for text: String, _ tokenizer: Tokenizer) throws -> String {
        let tokens = tokenizer.encode(text, parseSpecial: special, addSpecial: !noBeginOfSequence)
        if json {
            let pieces = tokens.map { pieceText($0, tokenizer) }
            return try jsonOutput(TokenizedText(text: text, tokens: tokens, pieces: pieces))
        }
        return try tokens.map { token in
            pieces ? "\(token):\(try jsonText(pieceText(token, tokenizer)))" : "\(token)"
        }.joined(separator: " ") + "\n"
    }

    /// The text that a token adds, or its name in the vocabulary if it is not whole characters.
    private func pieceText(_ token: TokenID, _ tokenizer: Tokenizer) -> String {
        String(validating: tokenizer.piece(token, special: true), as: UTF8.self)
            ?? tokenizer.tokenText(token)
    }
}

/// A line of `tokenize --json`.
private struct TokenizedText: Encodable {
    let text: String
    let tokens: [TokenID]
    let pieces: [String]
}
