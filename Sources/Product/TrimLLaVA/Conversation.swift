// SPDX-License-Identifier: Apache-2.0
import Generation
import Imaging
import LLaVAModel
import Tokenization

/// Questions and answers that build on each other, on one KV cache.
///
/// A conversation belongs to one thread at a time.
public final class Conversation {
    /// The model that answers.
    public let llava: LLaVA

    private let prompts: PromptBuilder
    private let crop: Bool
    private let session: GenerationSession

    init(
        _ llava: LLaVA, template: ChatTemplate?, system: String?, crop: Bool
    ) throws(LLaVAError) {
        self.llava = llava
        self.crop = crop
        do {
            prompts = try PromptBuilder(
                template: template, tokenizer: llava.tokenizer, system: system)
            session = try llava.newSession()
        } catch {
            throw LLaVAError(error)
        }
    }

    /// Asks the next question.
    ///
    /// Cancelled before its first token, the question is forgotten; an answer that is cut short
    /// stays part of the conversation.
    ///
    /// - Parameters:
    ///   - question: the text; `<image>` in it places a picture, without it pictures come first.
    ///   - pictures: those that come with this question.
    ///   - recorder: gets what each stage computes.
    ///   - onText: called with each piece of the answer, always whole characters.
    /// - Throws: `LLaVAError`; the conversation is then as before.
    public func ask(
        _ question: String, pictures: [Picture] = [],
        options: GenerationOptions = GenerationOptions(),
        cancellation: Cancellation = Cancellation(), recorder: StageRecorder? = nil,
        onText: @escaping (String) -> Void = { _ in }
    ) throws(LLaVAError) -> Answer {
        var options = options
        options.stopStrings += prompts.template.stopStrings
        do {
            let pieces =
                if session.isEmpty {
                    try prompts.firstTurn(question, pictures: pictures.count)
                } else {
                    try prompts.nextTurn(
                        question, pictures: pictures.count, afterEndOfTurn: false)
                }
            return try PictureTurn(pictures, llava.model, crop: crop).answer(
                pieces, on: session, options, cancellation, recorder, onText)
        } catch {
            throw LLaVAError(error)
        }
    }
}

/// The pictures of one prompt, cut into tiles.
struct PictureTurn {
    private let tiles: [TileBatch]
    private let seconds: Double

    init(_ pictures: [Picture], _ model: LLaVAModel, crop: Bool) {
        let start = ContinuousClock.now
        let preprocessor = model.preprocessor(crop: crop)
        tiles = pictures.map { preprocessor.tiles(of: $0) }
        seconds = (ContinuousClock.now - start) / .seconds(1)
    }

    func answer(
        _ prompt: [PromptPiece], on session: GenerationSession, _ options: GenerationOptions,
        _ cancellation: Cancellation, _ recorder: StageRecorder?,
        _ onText: @escaping (String) -> Void
    ) throws(GenerationError) -> Answer {
        var answer = try session.answer(
            prompt, pictures: tiles, options: options, cancellation: cancellation,
            recorder: recorder, onText: onText)
        answer.statistics.tilingSeconds = seconds
        return answer
    }
}
