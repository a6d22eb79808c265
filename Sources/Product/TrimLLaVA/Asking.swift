// SPDX-License-Identifier: Apache-2.0
import Generation
import TensorOps

extension LLaVA {
    /// What is asked about a picture when nothing else is.
    public static let defaultQuestion = "Describe this picture."
    /// What is asked about a video when nothing else is.
    public static let defaultVideoQuestion = "Describe this video."

    /// Answers a question about pictures, or without any, while others are answered.
    ///
    /// `LoadOptions.parallel` answers are generated at the same time. Each is, bit for bit, what it is alone.
    ///
    /// - Parameters:
    ///   - question: the text; `<image>` in it places a picture, without it pictures come first.
    ///   - pictures: all that the question is about. Files are read when the answer is asked for, and decoded when
    ///     their turn comes.
    ///   - template: nil for the one that the model asks for.
    ///   - system: what the prompt starts with; nil for the template's own text.
    ///   - crop: whether a LLaVA-1.5 model sees only the middle square of a picture.
    ///   - onProgress: told what happens before the answer's first piece, on any thread.
    public func ask(
        _ question: String, pictures: [PictureSource] = [], template: ChatTemplate? = nil,
        system: String? = nil, crop: Bool = false,
        options: GenerationOptions = GenerationOptions(),
        onProgress: @escaping @Sendable (PromptProgress) -> Void = { _ in }
    ) -> AnswerStream {
        AnswerStream(
            AnswerRun(
                to: { try self.engine() },
                {
                    let written = try WrittenPrompt(
                        question, pictures: pictures.count,
                        by: self.prompts(template, system: system), self.tokenizer)
                    let options = try self.bounded(options)
                    return written.request(
                        about: try pictures.map {
                            try $0.engineInput(
                                self.model.pictureEncoder(crop: crop, pictures: pictures.count))
                        },
                        options: options)
                },
                onProgress: onProgress))
    }

    /// Describes a picture, or answers a question about it, while others are answered.
    ///
    /// - Parameters:
    ///   - template: nil for the one that the model asks for.
    ///   - onProgress: told what happens before the answer's first piece, on any thread.
    public func describe(
        _ picture: PictureSource, question: String = LLaVA.defaultQuestion,
        template: ChatTemplate? = nil, options: GenerationOptions = GenerationOptions(),
        onProgress: @escaping @Sendable (PromptProgress) -> Void = { _ in }
    ) -> AnswerStream {
        ask(
            question, pictures: [picture], template: template, options: options,
            onProgress: onProgress)
    }

    /// The same options for an answer that is no longer than the context, as none can be.
    func bounded(_ options: GenerationOptions) throws(GenerationError) -> GenerationOptions {
        try options.validate()
        var options = options
        options.maxNewTokens = min(options.maxNewTokens, context)
        options.minNewTokens = min(options.minNewTokens, options.maxNewTokens)
        return options
    }

    /// Rows of the KV cache for each of several answers: an unpruned picture of LLaVA-1.5, a question and an answer.
    ///
    /// Longer ones wait until there are pages.
    package static let rowsPerAnswer = 1280

    /// The engine that all questions and conversations share, which is made for the first of them.
    func engine() throws(LLaVAError) -> Engine {
        do {
            return try sharedEngine.withLock { shared in
                if let shared { return shared }
                let engine = try Engine(
                    model: model, tokenizer: tokenizer,
                    options: Engine.Options(
                        parallel: parallel, cacheRows: cacheRows, cacheFormat: cacheFormat,
                        mostQueued: .max, pictureCacheBytes: pictureCacheBytes))
                shared = engine
                return engine
            }
        } catch {
            throw LLaVAError(error)
        }
    }

    /// Rows of that engine's KV cache.
    private var cacheRows: Int {
        // Full pages are shared. Partly filled ones, at the end of a stored start and of an answer, are copied by
        // what continues them.
        let copied = 2 * CachePageLayout.tokens
        return max(context, parallel * min(context, Self.rowsPerAnswer)) + copied
    }
}
