// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing
import TrimLLaVA

/// Questions of many tasks to one model.
@Suite struct AskTests {
    /// More questions than are answered at the same time, each answered as if it were alone.
    @Test func questionsAtOnceShareTheModel() async throws {
        let llava = try LLaVA(golden: "llava-1.5-gqa", options: LoadOptions(parallel: 3))
        let pictures = try ["wide", "small", "square", "portrait"].map(picture)
        let answers = try await withThrowingTaskGroup(of: (Int, Answer).self) { group in
            for index in 0..<8 {
                group.addTask {
                    let stream = llava.ask(
                        "Question \(index)", pictures: [.picture(pictures[index % 4])],
                        options: exactly(20))
                    return (index, try await stream.answer())
                }
            }
            var answers: [Int: Answer] = [:]
            for try await (index, answer) in group { answers[index] = answer }
            return answers
        }
        for index in 0..<8 {
            let alone = try llava.conversation().ask(
                "Question \(index)", pictures: [pictures[index % 4]], options: exactly(20))
            #expect(answers[index]?.tokens == alone.tokens)
            #expect(answers[index]?.text == alone.text)
        }
    }

    @Test func questionsNeedNoPicture() async throws {
        let llava = try LLaVA.llama3()
        let answer = try await llava.ask("Hello", options: exactly(9)).answer()
        #expect(try answer.tokens == llava.conversation().ask("Hello", options: exactly(9)).tokens)
        let system = try await llava.ask("Hello", system: "Sing.", options: exactly(9)).answer()
        #expect(
            try system.tokens
                == llava.conversation(system: "Sing.").ask("Hello", options: exactly(9)).tokens)
    }

    /// A file is known again by its content and by what its tiles depend on.
    @Test func theSameFileIsEncodedOnce() async throws {
        let llava = try LLaVA.llama3()
        let path = Fixture.path("models/pictures/wide.png")
        let bytes = try Fixture.bytes("models/pictures/wide.png")
        func ask(
            _ question: String, _ picture: PictureSource, crop: Bool = false
        ) async throws -> Answer {
            try await llava.ask(question, pictures: [picture], crop: crop, options: exactly(9))
                .answer()
        }
        let first = try await ask("What?", .file(path))
        #expect(first.statistics.visionSeconds > 0)
        #expect(try await ask("Why?", .file(path)).statistics.visionSeconds == 0)
        let again = try await ask("What?", .bytes(bytes))
        #expect(again.statistics.visionSeconds == 0 && again.tokens == first.tokens)
        let cropped = try await ask("What?", .file(path), crop: true)
        #expect(cropped.statistics.visionSeconds > 0)
        let asStored = try await ask("What?", .file(path, applyOrientation: false))
        #expect(asStored.statistics.visionSeconds > 0)
        let decoded = try await ask("What?", .picture(picture("wide")))
        #expect(decoded.statistics.visionSeconds > 0 && decoded.tokens == first.tokens)
    }

    @Test func progressComesBeforeTheAnswer() async throws {
        let llava = try LLaVA.llama3()
        let (events, passing) = AsyncStream.makeStream(of: PromptProgress?.self)
        let stream = llava.describe(
            .picture(try picture("wide")), options: exactly(9), onProgress: { passing.yield($0) })
        for try await _ in stream { passing.yield(nil) }
        passing.finish()
        let seen = await events.reduce(into: []) { $0.append($1) }
        #expect(seen.contains(.encoding(picture: 0, of: 1, done: 1)))
        #expect(seen.contains(.reading(done: 1)))
        #expect(seen.last == .some(nil))
    }

    @Test func whoeverStopsWaitingIsCancelled() async throws {
        let llava = try LLaVA(golden: "llava-1.5-gqa", options: LoadOptions(parallel: 1))
        let first = llava.ask("One", options: exactly(.max))
        var pieces = first.makeAsyncIterator()
        #expect(try await pieces.next() != nil)
        // The second one waits for the first one's end.
        let waiting = Task { () throws(LLaVAError) in
            try await llava.ask("Two", options: exactly(9)).answer()
        }
        waiting.cancel()
        let outcome = await waiting.result
        #expect(throws: LLaVAError.generation(.model(.cancelled))) { try outcome.get() }
        #expect(try await pieces.next() != nil)
    }

    /// A second loop goes on where the first one ended, and the answer stays.
    @Test func aStreamIsReadOnce() async throws {
        let llava = try LLaVA.llama3()
        let stream = llava.ask("Hello", options: exactly(20))
        var text = ""
        for try await piece in stream { text += piece }
        for try await piece in stream { Issue.record("\(piece)") }
        let answer = try await stream.answer()
        #expect(answer.text == text && answer.stopReason == .length)
        #expect(try await stream.answer() == answer)
    }

    @Test func questionsThatDoNotFitAreRefusedAlone() async throws {
        let llava = try LLaVA(golden: "llava-1.5-gqa", options: LoadOptions(context: 90))
        let long = String(repeating: "long ", count: 99)
        let refusal = await #expect(throws: LLaVAError.self) {
            try await llava.ask(long).answer()
        }
        #expect(refusal?.kind == .tooLong)
        #expect(refusal?.description.contains("--") == false)
        #expect(try await llava.ask("Hi", options: exactly(3)).answer().tokens.count == 3)
    }

    @Test(arguments: [0, -1, LoadOptions.maximumParallel + 1, .max])
    func impossibleNumbersOfAnswersAreRefused(parallel: Int) throws {
        let refusal = try libraryError {
            _ = try LLaVA(golden: "llava-1.5-gqa", options: LoadOptions(parallel: parallel))
        }
        #expect(
            refusal
                == .generation(
                    .invalidOption(
                        name: "the number of parallel answers", value: "\(parallel)",
                        expected: "1 to 1024")))
    }
}
