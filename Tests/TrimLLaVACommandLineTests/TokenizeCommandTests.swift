// SPDX-License-Identifier: Apache-2.0
import GGUF
import TestSupport
import Testing
import Tokenization
import TrimLLaVA

@testable import TrimLLaVACommandLine

@Suite struct TokenizeCommandTests {
    let model = Fixture.path("tokenizers/llama-spm.gguf")

    /// The command's output for one text.
    private func line(_ text: String, _ options: String...) throws -> String {
        let command = try TokenizeCommand.parse(["--model", model] + options)
        return try command.line(for: text, Tokenizer(metadata: GGUFFile(path: model).metadata))
    }

    @Test func printsTheTokens() throws {
        #expect(try line("Hi") == "1 319 959\n")
        #expect(try line("Hi", "--no-bos") == "319 959\n")
        #expect(try line("", "--no-bos") == "\n")
        #expect(try line("") == "1\n")
    }

    @Test func readsSpecialTokensOnlyWhenAsked() throws {
        #expect(try line("Hi</s>", "--special") == "1 319 959 2\n")
        #expect(try !line("Hi</s>").split(separator: " ").contains("2"))
    }

    @Test func printsPieces() throws {
        #expect(try line("Hi", "--pieces") == #"1:"<s>" 319:" H" 959:"i""# + "\n")
        // The bytes of a character without a piece are shown by their names.
        #expect(
            try line("€\"\n", "--pieces", "--no-bos")
                == #"953:" " 229:"<0xE2>" 133:"<0x82>" 175:"<0xAC>" 1002:"\"" 13:"\n""# + "\n")
    }

    @Test func printsJSON() throws {
        #expect(
            try line("Hi", "--json")
                == #"{"pieces":["<s>"," H","i"],"schema_version":\#(OutputSchema.version),"text":"Hi","#
                + #""tokens":[1,319,959],"trimllava_version":"\#(Release.version)"}"# + "\n")
    }

    @Test(arguments: [
        [], ["--model", "a", "--file", "b", "text"], ["--model", "a", "--pieces", "--json"],
    ])
    func refusesContradictions(arguments: [String]) {
        #expect(throws: (any Error).self) { try TokenizeCommand.parse(arguments) }
    }
}
