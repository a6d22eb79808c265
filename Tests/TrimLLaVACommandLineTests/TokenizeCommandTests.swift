// SPDX-License-Identifier: Apache-2.0
import GGUF
import TestSupport
import Testing
import Tokenization
import TrimLLaVA

@testable import TrimLLaVACommandLine

@Suite struct TokenizeCommandTests {
    let model = Fixture.path("tokenizers/llama-spm.gguf")

    /// What the command prints for one text.
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
        // The bytes of a character that is no piece have only their names.
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

@Suite struct TextInputTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    @Test func readsAFileWholeAndInLines() throws {
        let path = try folder.write(Array("one\r\n\n two".utf8), to: "text")
        #expect(try TextInput.file(path) == "one\r\n\n two")
        #expect(try TextInput.lines(path) == ["one\r", "", " two"])
        let ended = try folder.write(Array("\u{0}a\n\n".utf8), to: "ended")
        #expect(try TextInput.lines(ended) == ["\u{0}a", ""])
        let empty = try folder.write([], to: "empty")
        #expect(try TextInput.file(empty) == "")
        #expect(try TextInput.lines(empty) == [])
        let long = try folder.write(Array(repeating: 65, count: 200_001), to: "long")
        #expect(try TextInput.file(long).utf8.count == 200_001)
    }

    @Test(arguments: [
        ([0xFF], 0), ([0x61, 0xC3, 0x28], 1), ([0xC3, 0xA9, 0xE2, 0x82], 2),
        ([0x61, 0xED, 0xA0, 0x80], 1), ([0xF0, 0x9F, 0x98, 0x80, 0xC0, 0x80], 4),
    ])
    func saysWhereATextIsNotUTF8(bytes: [UInt8], offset: Int) throws {
        let path = try folder.write(bytes, to: "text")
        #expect(throws: TextInputError.notUTF8(place: path, offset: offset)) {
            try TextInput.file(path)
        }
        let lines = try folder.write(Array("fine\n".utf8) + bytes, to: "lines")
        #expect(throws: TextInputError.notUTF8(place: "line 2 of \(lines)", offset: offset)) {
            try TextInput.lines(lines)
        }
    }

    @Test func saysWhyAFileCannotBeRead() {
        let missing = folder.path + "/missing"
        #expect(
            throws: TextInputError.unreadable(path: missing, reason: "No such file or directory")
        ) { try TextInput.file(missing) }
        #expect(throws: TextInputError.unreadable(path: folder.path, reason: "Is a directory")) {
            try TextInput.lines(folder.path)
        }
    }
}
