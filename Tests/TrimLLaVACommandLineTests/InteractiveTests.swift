// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing
import TrimLLaVA

@Suite struct InteractiveTests {
    private static let arguments =
        ModelFiles.llama3.run + ["--interactive", "--ignore-eos", "-n", "12"]

    private func chat(_ lines: [String], _ more: [String] = ["--quiet"]) throws -> Outcome {
        try ToolProcess.run(
            Self.arguments + more, input: Array(lines.map { $0 + "\n" }.joined().utf8))
    }

    /// The library's answers to the questions of one conversation, each with its pictures.
    private func expected(_ questions: [(String, [String])]) throws -> String {
        let llava = try LLaVA(text: ModelFiles.llama3.text, projector: ModelFiles.llama3.projector)
        let conversation = try llava.conversation()
        return try questions.map { question, pictures in
            try conversation.ask(
                question, pictures: pictures.map { try PictureDecoder.load(path: $0) },
                options: GenerationOptions(maxNewTokens: 12, ignoresEndOfSequence: true)
            ).text + "\n"
        }.joined()
    }

    @Test func oneConversationAnswersLikeTheLibrary() throws {
        let outcome = try chat(
            [
                "What is this?", "", "  ", "/image \(picturePath("wide"))", "And <image>?",
                "/quit", "Never asked",
            ], ["--quiet", picturePath("small")])
        #expect(outcome.code == 0)
        #expect(outcome.errors == "")
        #expect(
            outcome.text
                == (try expected([
                    ("What is this?", [picturePath("small")]),
                    ("And <image>?", [picturePath("wide")]),
                ])))
        // The conversation remembers the first question: alone, the second one has another answer.
        #expect(!outcome.text.hasSuffix(try expected([("And <image>?", [picturePath("wide")])])))
    }

    @Test func resetForgetsQuestionsAndPictures() throws {
        let outcome = try chat([
            "One", "/image \(picturePath("wide"))", "/reset", "Two",
        ])
        #expect(outcome.code == 0)
        #expect(outcome.text == (try expected([("One", [])]) + expected([("Two", [])])))
    }

    @Test func promptAndPicturesAreTheFirstQuestion() throws {
        let outcome = try chat(["Two"], ["-q", "-p", "One", picturePath("wide")])
        #expect(outcome.text == (try expected([("One", [picturePath("wide")]), ("Two", [])])))
    }

    @Test func mistakesAreReportedAndTheChatGoesOn() throws {
        let tooLong = String(repeating: "long ", count: 3000)
        let lines = [
            "/image /absent.png", "/image \(picturePath("small"))x", "/image -", "/image",
            "/imagine", "/quit now", "Not asked", "/skip", "<image>", "/help", tooLong, "One",
        ]
        let outcome = try chat(lines)
        #expect(outcome.code == 0)
        let errors = outcome.errors
        #expect(errors.contains("trimllava: /absent.png: cannot be read"))
        #expect(errors.contains("trimllava: standard input carries the questions"))
        #expect(errors.contains("trimllava: /image needs a file\n"))
        #expect(errors.contains("not asked: the question would go without /absent.png, "))
        #expect(errors.contains("trimllava: unknown command /imagine; /help lists them\n"))
        #expect(errors.contains("trimllava: unknown command /quit now; /help lists them\n"))
        #expect(errors.contains("places 1 picture(s) with <image>, but 0 were given"))
        #expect(errors.contains("/reset        start a new conversation\n"))
        #expect(errors.contains("leaves no room for an answer in a context of"))
        #expect(outcome.text == (try expected([("One", [])])))
    }

    @Test func picturesOfARefusedQuestionAreKept() throws {
        let outcome = try chat(["/image \(picturePath("wide"))", "<image><image>", "<image>?"])
        #expect(outcome.errors.contains("places 2 picture(s)"))
        #expect(outcome.text == (try expected([("<image>?", [picturePath("wide")])])))
    }

    @Test func linesThatAreNotText() throws {
        let outcome = try ToolProcess.run(
            Self.arguments + ["-q"], input: [0xFF, 0x0A] + Array("One\nTwo".utf8))
        #expect(outcome.code == 0)
        #expect(outcome.errors == "trimllava: the line is not valid UTF-8 at byte 0\n")
        #expect(outcome.text == (try expected([("One", []), ("Two", [])])))
    }

    @Test func aPictureThatCannotBeReadHoldsQuestionsBack() throws {
        let outcome = try chat([
            "/image /absent.png", "One", "Two", "/image \(picturePath("wide"))", "Three",
            "/image /absent.png", "/reset", "Four",
        ])
        #expect(outcome.errors.components(separatedBy: "not asked:").count == 3)
        #expect(
            outcome.text
                == (try expected([("Three", [picturePath("wide")])]) + expected([("Four", [])])))
    }

    @Test func linesFromWindowsAreLikeAllOthers() throws {
        let outcome = try ToolProcess.run(
            Self.arguments + ["-q"],
            input: [0xEF, 0xBB, 0xBF]
                + Array("/image \(picturePath("wide"))\r\nOne\r\n\r\n/quit\r\nTwo\r\n".utf8))
        #expect(outcome.code == 0 && outcome.errors == "")
        #expect(outcome.text == (try expected([("One", [picturePath("wide")])])))
    }

    @Test(arguments: [[0xFF, 0xFE], []])
    func linesInUTF16AreRefused(mark: [UInt8]) throws {
        let outcome = try ToolProcess.run(
            Self.arguments + ["-q"], input: mark + "What?\r\n".utf8.flatMap { [$0, 0] as [UInt8] })
        #expect(outcome.code == 1 && outcome.text == "")
        #expect(outcome.errors.hasPrefix("trimllava: the line is UTF-16"))
    }

    @Test func aLineThatNeverEndsIsRefused() throws {
        let outcome = try ToolProcess.shell(
            #""$@" < /dev/zero"#, Self.arguments + ["-q"])
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains("a line of standard input is longer than"))
    }

    @Test func quotedAndDroppedPathsAreTaken() throws {
        let folder = try TemporaryFolder()
        let bytes = try Data(contentsOf: URL(fileURLWithPath: picturePath("wide")))
        let path = try folder.write([UInt8](bytes), to: "my \"own\" it's.png")
        let escaped = path.replacing(#/[ "']/#) { "\\" + $0.output }
        for typed in [
            path, "\"\(path.replacing("\"", with: "\\\""))\" ", escaped,
            "'" + path.replacing("'", with: "'\\''") + "'",
            URL(fileURLWithPath: path).absoluteString,
        ] {
            let outcome = try chat(["/image \(typed)", "One"])
            #expect(outcome.errors == "", "\(typed)")
            #expect(outcome.text == (try expected([("One", [picturePath("wide")])])))
        }
    }

    @Test func aFullConversationEndsInMessagesNotInATrap() throws {
        let outcome = try chat(
            Array(repeating: "One more?", count: 12), ["-q", "--context", "150"])
        #expect(outcome.code == 0)
        #expect(outcome.errors.contains("leaves no room for an answer in a context of 150 rows"))
        #expect(outcome.text.contains("\n"))
    }

    @Test func timingsComeAfterEachAnswer() throws {
        let outcome = try chat(["One", "Two"], [picturePath("small")])
        #expect(outcome.errors.components(separatedBy: "\nKV cache ").count == 3)
        #expect(outcome.errors.contains("decode "))
    }

    @Test func interruptStopsTheAnswerAndNotTheProgram() throws {
        let tool = try ToolProcess(
            ModelFiles.vicuna.run + [
                "--interactive", "--template", "vicuna", "--ignore-eos", "-n", "100000",
            ])
        for question in 1...2 {
            let before = tool.outputChunks.joined().count
            try tool.send(Array("Question \(question)\n".utf8))
            try tool.waitForOutput { $0.count > before }
            tool.interrupt()
            try tool.waitForErrors("KV cache", times: question)
            try tool.waitForOutput { $0.last == UInt8(ascii: "\n") }
        }
        tool.interrupt()
        let outcome = try tool.finish(closingInput: false)
        #expect(outcome.code == 130)
        #expect(outcome.errors.components(separatedBy: "ended by cancelled").count == 3)
        // Not by characters: an answer may end with a carriage return.
        #expect(outcome.output.last == UInt8(ascii: "\n"))
    }

    #if os(Linux)
        @Test func aTerminalGetsHelpAndPrompts() throws {
            let words = Self.arguments.map { "'\($0)'" }.joined(separator: " ")
            let tool = try ToolProcess(
                ["-qec", "'\(ToolProcess.path)' \(words) -q", "/dev/null"],
                executable: "/usr/bin/script")
            try tool.waitForOutput { String(decoding: $0, as: UTF8.self).hasSuffix("> ") }
            try tool.send(Array("/image \(picturePath("small"))\n/quit\n".utf8))
            let outcome = try tool.finish(closingInput: false)
            #expect(outcome.code == 0)
            #expect(outcome.text.contains("/image FILE   add a picture"))
            #expect(outcome.text.contains("31 × 23 pixels\r\n> "))
        }
    #endif
}
