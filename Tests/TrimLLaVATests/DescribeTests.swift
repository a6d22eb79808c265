// SPDX-License-Identifier: Apache-2.0
import LLaVAModel
import TestSupport
import Testing
import TrimLLaVA

@Suite struct DescribeTests {
    @Test func piecesMakeTheAnswer() async throws {
        let llava = try LLaVA.llama3()
        var pieces: [String] = []
        for try await piece in try llava.describe(.picture(picture("wide")), options: exactly(40)) {
            pieces.append(piece)
        }
        let answer = try llava.conversation().ask(
            LLaVA.defaultQuestion, pictures: [picture("wide")], options: exactly(40))
        #expect(pieces.joined() == answer.text)
        #expect(pieces.count > 5)
        var other = ""
        for try await piece in try llava.describe(
            .picture(picture("wide")), question: "Why?", options: exactly(40))
        {
            other += piece
        }
        #expect(other != answer.text)
    }

    @Test func errorsEndTheStream() async throws {
        let llava = try LLaVA(golden: "llava-1.5-mha")
        func refusal(of stream: AnswerStream) async -> LLaVAError? {
            do throws(LLaVAError) {
                for try await piece in stream { Issue.record("\(piece)") }
                return nil
            } catch {
                await #expect(throws: error) { try await stream.answer() }
                return error
            }
        }
        let aPicture = PictureSource.picture(try picture("wide"))
        let withoutTemplate = await refusal(of: llava.describe(aPicture))
        guard case .tokenization(.unknownTemplate) = withoutTemplate else {
            Issue.record("\(String(describing: withoutTemplate))")
            return
        }
        let absent = llava.describe(.file("absent.png"), template: .vicuna)
        let unreadable = await refusal(of: absent)
        guard case .picture(.unreadable("absent.png", _)) = unreadable else {
            Issue.record("\(String(describing: unreadable))")
            return
        }
        // It is decoded on the engine's thread.
        let damaged = try Fixture.bytes("models/pictures/wide.png").dropLast(40)
        let picture = PictureSource.bytes(Array(damaged), name: "upload 7")
        let error = await refusal(of: llava.describe(picture, template: .vicuna))
        #expect(error?.description.hasPrefix("upload 7: ") == true && error?.kind == .badInput)
        let marks = llava.ask("<image>?", pictures: [aPicture, aPicture], template: .vicuna)
        #expect(
            await refusal(of: marks) == .tokenization(.pictureCount(markers: 1, pictures: 2)))
        var text = ""
        for try await piece in llava.describe(
            aPicture, template: .vicuna, options: exactly(9))
        {
            text += piece
        }
        #expect(!text.isEmpty)
    }

    /// Whether nothing holds the model any more after at most thirty seconds.
    private func isReleased(_ model: () -> LLaVAModel?) async throws -> Bool {
        for _ in 0..<3000 {
            if model() == nil { return true }
            try await Task.sleep(for: .milliseconds(10))
        }
        return false
    }

    /// On a busy machine the engine may fill the context before this task sees the first piece, so there are
    /// several attempts.
    @Test func leavingTheLoopStopsTheWork() async throws {
        weak var model: LLaVAModel?
        do {
            let llava = try LLaVA.llama3()
            model = llava.model
            var reasons: [Answer.StopReason] = []
            while reasons.last != .cancelled && reasons.count < 50 {
                let stream = llava.describe(.picture(try picture("wide")), options: exactly(.max))
                for try await _ in stream { break }
                let answer = try await stream.answer()
                #expect(!answer.text.isEmpty)
                reasons.append(answer.stopReason)
            }
            #expect(reasons.last == .cancelled, "\(reasons)")
            for try await _ in llava.describe(
                .picture(try picture("wide")), options: exactly(.max))
            {
                break
            }
        }
        #expect(try await isReleased { model })
    }

    @Test func cancellingTheTaskStopsTheWork() async throws {
        weak var model: LLaVAModel?
        do {
            let llava = try LLaVA.llama3()
            model = llava.model
            let aPicture = try picture("wide")
            let (begun, signal) = AsyncStream.makeStream(of: Void.self)
            let task = Task {
                var count = 0
                for try await _ in llava.describe(.picture(aPicture), options: exactly(.max)) {
                    count += 1
                    signal.yield()
                }
                return count
            }
            for await _ in begun { break }
            task.cancel()
            // However late the cancelling comes on a busy machine, the context is not filled.
            #expect(try await task.value < llava.context - 200)
        }
        #expect(try await isReleased { model })
    }
}
