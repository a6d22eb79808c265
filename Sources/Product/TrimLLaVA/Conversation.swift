// SPDX-License-Identifier: Apache-2.0
import Generation
import Imaging
import Pictures
import Tokenization
import Weights

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
        prompts = try llava.prompts(template, system: system)
        do {
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
    ///   - onProgress: told what happens before the answer's first piece.
    ///   - onText: called with each piece of the answer, always whole characters.
    /// - Throws: `LLaVAError`; the conversation is then as before.
    public func ask(
        _ question: String, pictures: [Picture] = [],
        options: GenerationOptions = GenerationOptions(),
        cancellation: Cancellation = Cancellation(), recorder: StageRecorder? = nil,
        onText: @escaping (String) -> Void = { _ in },
        onProgress: @escaping (PromptProgress) -> Void = { _ in }
    ) throws(LLaVAError) -> Answer {
        do {
            let written = try WrittenPrompt(
                question, pictures: pictures.count, isContinued: !session.isEmpty, by: prompts,
                llava.tokenizer)
            return try session.answer(
                written, about: pictures, crop: crop, options: options,
                cancellation: cancellation, recorder: recorder, onText: onText,
                onProgress: onProgress)
        } catch {
            throw LLaVAError(error)
        }
    }
}

extension GenerationSession {
    /// Answers a prompt about pictures, which are cut into tiles only once it is known to fit.
    ///
    /// - Throws: `GenerationError`, `ImagingError`.
    func answer(
        _ written: WrittenPrompt, about pictures: [Picture], crop: Bool,
        options: GenerationOptions, cancellation: Cancellation,
        recorder: StageRecorder?,
        onText: @escaping (String) -> Void, onProgress: @escaping (PromptProgress) -> Void
    ) throws -> Answer {
        let options = written.stopping(options)
        func encoder() throws -> any PictureEncoder {
            try model.pictureEncoder(crop: crop, pictures: pictures.count)
        }
        try check(
            written.pieces, pictures: try pictures.map { try encoder().plan($0.size) },
            options: options)
        let start = ContinuousClock.now
        let tiles = try pictures.map { try encoder().tiles(of: $0) }
        let tilingSeconds = (ContinuousClock.now - start) / .seconds(1)
        var answer = try answer(
            written.pieces, pictures: tiles, question: written.question, options: options,
            cancellation: cancellation, recorder: recorder, onText: onText, onProgress: onProgress)
        answer.statistics.tilingSeconds = tilingSeconds
        return answer
    }
}
