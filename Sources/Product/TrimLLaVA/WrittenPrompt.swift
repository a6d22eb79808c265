// SPDX-License-Identifier: Apache-2.0
import Families
import Generation
import TokenPruning
import Tokenization

/// A question written down for a model: all that its answer is generated from but the pictures.
package struct WrittenPrompt: Sendable {
    /// The prompt, with the pictures in their places.
    package let pieces: [PromptPiece]
    /// The question as typed, for selectors of visual tokens that look at it.
    package let question: [TokenID]
    /// Texts that end an answer in the prompt's template.
    private let stopStrings: [String]

    /// Writes a question down as the model's training did.
    ///
    /// - Parameters:
    ///   - suffix: what follows the question in the prompt, and is no matter for selectors.
    ///   - pictures: how many come with the question.
    ///   - isContinued: whether an answer comes before it.
    /// - Throws: `TokenizationError.pictureCount` if the question has marks for another number.
    package init(
        _ question: String, suffix: String = "", pictures: Int, isContinued: Bool = false,
        by prompts: PromptBuilder, _ tokenizer: Tokenizer
    ) throws(TokenizationError) {
        let text = question + suffix
        pieces =
            isContinued
            ? try prompts.nextTurn(text, pictures: pictures, afterEndOfTurn: false)
            : try prompts.firstTurn(text, pictures: pictures)
        self.question = Self.tokens(of: question, tokenizer)
        stopStrings = prompts.template.stopStrings
    }

    /// Takes a text as it is, in which `<image>` stands for each picture.
    ///
    /// - Throws: `TokenizationError.pictureCount` if the text has marks for another number.
    package init(
        raw text: String, pictures: Int, _ tokenizer: Tokenizer
    ) throws(TokenizationError) {
        pieces = try tokenizer.rawPrompt(text, pictures: pictures)
        (question, stopStrings) = ([], [])
    }

    /// The options of an answer that ends where the template says.
    package func stopping(_ options: GenerationOptions) -> GenerationOptions {
        var options = options
        if !options.ignoresEndOfSequence { options.stopStrings += stopStrings }
        return options
    }

    /// Asks the question about pictures.
    package func request(
        about pictures: [Engine.Picture], options: GenerationOptions, isStreamed: Bool = false
    ) -> Engine.Request {
        Engine.Request(
            prompt: pieces, pictures: pictures, question: question, options: stopping(options),
            isStreamed: isStreamed)
    }

    /// The most rows of the KV cache that an answer may take, whatever the pictures are.
    package func mostRows(in model: LLaVAModel, options: GenerationOptions) -> Int {
        let plans = (try? model.pictureEncoder)?.largestPlans ?? []
        let visual = plans.mostRows(within: options.pruning?.budget)
        let prompt = pieces.reduce(0) { rows, piece in
            switch piece {
            case .tokens(let tokens): rows + tokens.count
            case .picture: rows + visual
            }
        }
        return prompt >= model.context
            ? model.context
            : prompt + min(options.maxNewTokens, model.context - prompt)
    }

    /// The tokens of a question as typed, without the marks for pictures.
    package static func tokens(of question: String, _ tokenizer: Tokenizer) -> [TokenID] {
        let words = question.split(separator: PromptBuilder.pictureMarker).joined(separator: " ")
            .split(whereSeparator: \.isWhitespace)
        return tokenizer.encode(words.joined(separator: " "))
    }
}

extension LLaVA {
    /// What writes questions down in a template; nil for the one that the model asks for.
    ///
    /// - Throws: `LLaVAError` when no template is known, or the vocabulary lacks its tokens.
    package func prompts(
        _ template: ChatTemplate?, system: String?
    ) throws(LLaVAError) -> PromptBuilder {
        do {
            let isOwn = template == nil || template == self.template
            return try PromptBuilder(
                template: template ?? self.template, tokenizer: tokenizer,
                system: system ?? (isOwn ? defaultSystem : nil),
                besidePictures: model.textBesidePictures)
        } catch {
            throw .tokenization(error)
        }
    }
}
