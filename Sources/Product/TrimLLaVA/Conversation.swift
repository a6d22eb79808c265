// SPDX-License-Identifier: Apache-2.0
import Generation
import Imaging
import Pictures
import Tokenization
import Weights

/// Questions and answers that build on each other.
///
/// Every question goes to the model's engine with all that was said before. The rows that its KV cache still has are not
/// read again. A conversation belongs to one thread at a time; several of them are answered at the same time, and
/// beside the questions of `LLaVA.ask`.
public final class Conversation {
    /// The model that answers.
    public let llava: LLaVA

    private let prompts: PromptBuilder
    private let crop: Bool
    private var history = History()

    init(
        _ llava: LLaVA, template: ChatTemplate?, system: String?, crop: Bool
    ) throws(LLaVAError) {
        self.llava = llava
        self.crop = crop
        prompts = try llava.prompts(template, system: system)
        // Without memory for the KV cache, there is no conversation.
        _ = try llava.engine()
    }

    /// Asks the next question, and waits for its answer.
    ///
    /// Cancelled before its first token, the question is forgotten; an answer that is cut short
    /// stays part of the conversation.
    ///
    /// - Parameters:
    ///   - question: the text; `<image>` in it places a picture, without it pictures come first.
    ///   - pictures: those that come with this question.
    ///   - frames: those of a video that comes with it, in their order: one more picture, after the others. Only
    ///     LLaVA-OneVision reads videos.
    ///   - recorder: gets what each stage computes.
    ///   - onProgress: told, on this thread, what happens before the answer's first piece.
    ///   - onText: called, on this thread, with each piece of the answer, always whole characters.
    /// - Throws: `LLaVAError`; the conversation is then as before.
    public func ask(
        _ question: String, pictures: [Picture] = [], frames: [Picture] = [],
        options: GenerationOptions = GenerationOptions(),
        cancellation: Cancellation = Cancellation(), recorder: StageRecorder? = nil,
        onText: (String) -> Void = { _ in }, onProgress: (PromptProgress) -> Void = { _ in }
    ) throws(LLaVAError) -> Answer {
        do {
            let written = try WrittenPrompt(
                question, pictures: ShownPictures.count(pictures, frames: frames),
                isContinued: !history.isEmpty, by: prompts, llava.tokenizer)
            return try llava.answer(
                written, about: ShownPictures(pictures, frames: frames, crop: crop, llava),
                after: &history, isContinued: true, options: options, cancellation: cancellation,
                recorder: recorder, onText: onText,
                onProgress: onProgress)
        } catch {
            throw LLaVAError(error)
        }
    }
}

extension LLaVA {
    /// Answers a question about decoded pictures or a video while this thread waits.
    ///
    /// - Parameters:
    ///   - history: what was said before, and then also the question and its answer.
    ///   - isContinued: whether another question is likely to follow.
    func answer(
        _ question: WrittenPrompt, about shown: ShownPictures,
        after history: inout History, isContinued: Bool, options: GenerationOptions,
        cancellation: Cancellation, recorder: StageRecorder?, onText: (String) -> Void,
        onProgress: (PromptProgress) -> Void
    ) throws -> Answer {
        var request = question.request(about: shown.inputs, options: options, isStreamed: true)
        request.isContinued = isContinued
        request.recorder = recorder
        return try history.ask(
            request, plans: shown.plans, of: engine(), cancellation: cancellation
        ) { event in
            if case .text(let piece) = event { onText(piece) }
            event.progress.map(onProgress)
        }
    }
}
