// SPDX-License-Identifier: Apache-2.0
import Families
import Generation
import Imaging
import Pictures
import Tokenization

/// A conversation whose last question is to be answered, written down for a model.
package struct ChatRequest: Sendable {
    /// What an engine is asked.
    package var request: Engine.Request
    /// The rows that it takes.
    package let rows: PromptRows
    /// The size of each picture, once it is upright.
    package let sizes: [PixelSize]
}

extension LLaVA {
    /// Writes a conversation down, and checks that it can be answered before any pixel is decoded.
    ///
    /// The visual tokens of a picture are selected by the question that it came with, so that they stay the same when
    /// the conversation goes on.
    ///
    /// - Parameters:
    ///   - turns: questions and answers, the last of which is missing; at least one.
    ///   - system: what the conversation starts with; nil for the template's own text.
    ///   - pictures: all that the questions refer to.
    ///   - sizes: those of the pictures, once they are upright.
    ///   - options: `maxNewTokens` may be more than there is room for.
    /// - Throws: `LLaVAError`.
    package func chat(
        _ turns: [ChatTurn], system: String? = nil, pictures: [PictureSource], sizes: [PixelSize],
        template: ChatTemplate? = nil, options: GenerationOptions
    ) throws(LLaVAError) -> ChatRequest {
        let prompts = try prompts(template, system: system)
        var options = options
        if !options.ignoresEndOfSequence {
            options.stopStrings += prompts.template.stopStrings
        }
        var questions: [Int: [TokenID]] = [:]
        var together: [Int: Int] = [:]
        for turn in turns {
            for case .picture(let picture) in turn.question {
                questions[picture] = WrittenPrompt.tokens(of: turn.text, tokenizer)
                together[picture] = turn.pictureCount
            }
        }
        var chat = try request(
            prompts.conversation(turns),
            question: WrittenPrompt.tokens(of: turns.last?.text ?? "", tokenizer), pictures, sizes,
            beside: together, options, isContinued: true)
        for index in chat.request.pictures.indices {
            chat.request.pictures[index].question = questions[index]
        }
        return chat
    }

    /// Continues exactly the given text, in which `<image>` stands for each picture.
    ///
    /// - Throws: `LLaVAError`.
    package func completion(
        of text: String, pictures: [PictureSource] = [], sizes: [PixelSize] = [],
        options: GenerationOptions
    ) throws(LLaVAError) -> ChatRequest {
        let written: WrittenPrompt
        do {
            written = try WrittenPrompt(raw: text, pictures: pictures.count, tokenizer)
        } catch {
            throw .tokenization(error)
        }
        return try request(
            written.pieces, question: written.question, pictures, sizes,
            beside: [:], written.stopping(options), isContinued: false)
    }

    /// - Parameter together: for each picture, how many came with the same question; all where it does not say.
    private func request(
        _ prompt: [PromptPiece], question: [TokenID], _ pictures: [PictureSource],
        _ sizes: [PixelSize], beside together: [Int: Int], _ options: GenerationOptions,
        isContinued: Bool
    ) throws(LLaVAError) -> ChatRequest {
        do {
            let options = try bounded(options)
            func encoder(of picture: Int) throws -> any PictureEncoder {
                try model.pictureEncoder(
                    crop: false, pictures: together[picture] ?? pictures.count)
            }
            let plans = try sizes.enumerated().map { try encoder(of: $0).plan($1) }
            let rows = try model.check(prompt, pictures: plans, options: options)
            return ChatRequest(
                request: Engine.Request(
                    prompt: prompt,
                    pictures: try pictures.enumerated().map {
                        try $1.engineInput(encoder(of: $0))
                    },
                    question: question, options: options, isContinued: isContinued),
                rows: rows, sizes: sizes)
        } catch {
            throw LLaVAError(error)
        }
    }

    /// An engine of its own for a server.
    ///
    /// - Throws: `LLaVAError`.
    package func engine(_ options: Engine.Options) throws(LLaVAError) -> Engine {
        do {
            return try Engine(model: model, tokenizer: tokenizer, options: options)
        } catch {
            throw LLaVAError(error)
        }
    }
}
