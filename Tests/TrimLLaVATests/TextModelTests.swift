// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing
import Weights

@testable import TrimLLaVA

/// A text model without a vision tower and projector.
@Suite struct TextModelTests {
    private static let path = Fixture.path("models/llava-1.5-gqa/llava-1.5-gqa-f32.gguf")

    private let alone: LLaVA
    private let pair: LLaVA

    init() throws {
        alone = try LLaVA(text: Self.path)
        pair = try LLaVA(golden: "llava-1.5-gqa")
    }

    /// The answers to two questions of a conversation, and every logit on the way.
    private func conversation(_ llava: LLaVA) throws -> (texts: [String], logits: [Float]) {
        let (conversation, recorder) = (try llava.conversation(), StageRecorder())
        let texts = try ["What is it?", "And now?"].map {
            try conversation.ask($0, options: exactly(8), recorder: recorder).text
        }
        return (texts, recorder.logits.values)
    }

    @Test func answersAreThoseOfThePairBitForBit() throws {
        #expect(pair.seesPictures && !alone.seesPictures)
        let (found, expected) = (try conversation(alone), try conversation(pair))
        #expect(found.texts == expected.texts)
        #expect(found.logits.map(\.bitPattern) == expected.logits.map(\.bitPattern))
        #expect(
            try alone.complete("Once", options: exactly(8)).tokens
                == pair.complete("Once", options: exactly(8)).tokens)
    }

    @Test func questionsOfManyTasksAreAnswered() async throws {
        let options = GenerationOptions(
            maxNewTokens: 8, ignoresEndOfSequence: true, pruning: PruningOptions(budget: .count(2)))
        let found = try await alone.ask("What is it?", options: options).answer()
        #expect(try await pair.ask("What is it?", options: options).answer().tokens == found.tokens)
    }

    @Test func picturesAreRefusedByWhatIsMissing() async throws {
        let expected = LLaVAError.model(.noProjector(text: Self.path))
        let square = try picture("square")
        let pruning = PruningOptions(budget: .count(2))
        #expect(try libraryError { _ = try alone.selection(of: square, by: pruning) } == expected)
        #expect(
            try libraryError {
                _ = try alone.conversation().ask("?", pictures: [square], options: exactly(1))
            } == expected)
        #expect(
            try libraryError {
                _ = try alone.complete("<image>", pictures: [square], options: exactly(1))
            } == expected)
        await #expect(throws: expected) {
            try await alone.describe(.picture(square), options: exactly(1)).answer()
        }
        #expect(expected.kind == .badInput)
        #expect(
            expected.description
                == "\(Self.path) has no vision projector, the mmproj file, which pictures need")
    }

    @Test func aProjectorAloneIsNoTextModel() throws {
        let path = Fixture.path("models/llava-1.5-gqa/llava-1.5-gqa-mmproj-f32.gguf")
        #expect(
            try libraryError { _ = try LLaVA(text: path) } == .model(.notTextModel(file: path)))
    }
}
