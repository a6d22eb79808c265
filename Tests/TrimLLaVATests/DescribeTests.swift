// SPDX-License-Identifier: Apache-2.0
import Testing
import TrimLLaVA

@Suite struct DescribeTests {
    @Test func piecesMakeTheAnswer() async throws {
        let llava = try LLaVA.llama3()
        var pieces: [String] = []
        for try await piece in try llava.describe(picture("wide"), options: exactly(40)) {
            pieces.append(piece)
        }
        let answer = try llava.conversation().ask(
            LLaVA.defaultQuestion, pictures: [picture("wide")], options: exactly(40))
        #expect(pieces.joined() == answer.text)
        #expect(pieces.count > 5)
        var other = ""
        for try await piece in try llava.describe(
            picture("wide"), question: "Why?", options: exactly(40))
        {
            other += piece
        }
        #expect(other != answer.text)
    }

    @Test func errorsEndTheStream() async throws {
        let llava = try LLaVA(golden: "llava-1.5-mha")
        await #expect(throws: LLaVAError.self) {
            for try await piece in try llava.describe(picture("wide")) { Issue.record("\(piece)") }
        }
        var text = ""
        for try await piece in try llava.describe(
            picture("wide"), template: .vicuna, options: exactly(9))
        {
            text += piece
        }
        #expect(!text.isEmpty)
    }

    /// A model whose longest answer takes seconds, and the answer's first piece.
    private func begin() async throws -> (model: LLaVA, hasBegun: Bool) {
        let pair = try LLaVA.llama3()
        for try await _ in try pair.describe(picture("wide"), options: exactly(.max)) {
            return (pair, true)
        }
        return (pair, false)
    }

    /// Whether nothing holds the model any more after at most three seconds.
    private func isReleased(_ model: () -> LLaVA?) async throws -> Bool {
        for _ in 0..<300 {
            if model() == nil { return true }
            try await Task.sleep(for: .milliseconds(10))
        }
        return false
    }

    @Test func leavingTheLoopStopsTheWork() async throws {
        weak var model: LLaVA?
        do {
            let (llava, hasBegun) = try await begin()
            #expect(hasBegun)
            model = llava
        }
        #expect(try await isReleased { model })
    }

    @Test func cancellingTheTaskStopsTheWork() async throws {
        weak var model: LLaVA?
        do {
            let llava = try LLaVA.llama3()
            model = llava
            let aPicture = try picture("wide")
            let (begun, signal) = AsyncStream.makeStream(of: Void.self)
            let task = Task {
                var count = 0
                for try await _ in llava.describe(aPicture, options: exactly(.max)) {
                    count += 1
                    signal.yield()
                }
                return count
            }
            for await _ in begun { break }
            task.cancel()
            // However late the cancelling comes on a busy machine, the context is not filled.
            #expect(try await task.value < llava.model.context - 200)
        }
        #expect(try await isReleased { model })
    }
}
