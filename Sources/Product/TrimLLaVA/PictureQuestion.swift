// SPDX-License-Identifier: Apache-2.0
import Generation
import Imaging
import LLaVAModel
import TokenPruning
import Tokenization

/// A question about one picture, written down once for a model and asked about many.
public struct PictureQuestion: Sendable {
    /// The prompt, with the picture in its place.
    public let prompt: [PromptPiece]
    /// The question as typed, for selectors of visual tokens that look at it.
    public let question: [TokenID]
    /// Texts that end an answer in this prompt's template.
    public let stopStrings: [String]

    /// Writes a question as `Conversation.ask` does.
    ///
    /// - Parameters:
    ///   - template: nil for the one that the model asks for.
    ///   - system: what the conversation starts with; nil for the template's own text.
    /// - Throws: `LLaVAError` when no template is known, or the question places another number of
    ///   pictures than one.
    public init(
        _ question: String, for llava: LLaVA, template: ChatTemplate? = nil, system: String? = nil
    ) throws(LLaVAError) {
        do {
            let prompts = try PromptBuilder(
                template: template ?? llava.template, tokenizer: llava.tokenizer, system: system)
            prompt = try prompts.firstTurn(question, pictures: 1)
            stopStrings = prompts.template.stopStrings
        } catch {
            throw LLaVAError(error)
        }
        self.question = Conversation.questionTokens(question, llava.tokenizer)
    }

    /// Takes a prompt as it is, as `LLaVA.complete` does.
    ///
    /// - Throws: `LLaVAError` when the text places another number of pictures than one.
    public init(raw text: String, for llava: LLaVA) throws(LLaVAError) {
        do {
            prompt = try llava.tokenizer.rawPrompt(text, pictures: 1)
        } catch {
            throw LLaVAError(error)
        }
        (question, stopStrings) = ([], [])
    }

    /// Asks the question about a picture.
    public func request(
        id: Int, about tiles: TileBatch, options: GenerationOptions
    ) -> BatchGenerator.Request {
        BatchGenerator.Request(
            id: id, prompt: prompt, pictures: [tiles], question: question,
            options: stopping(options))
    }

    /// Asks the question about a picture that is encoded, for all that the selector of `options` looks at.
    public func request(
        id: Int, about picture: EncodedPicture, options: GenerationOptions
    ) -> BatchGenerator.Request {
        BatchGenerator.Request(
            id: id, prompt: prompt, encoded: [picture], question: question,
            options: stopping(options))
    }

    private func stopping(_ options: GenerationOptions) -> GenerationOptions {
        var options = options
        if !options.ignoresEndOfSequence { options.stopStrings += stopStrings }
        return options
    }

    /// The most rows of the KV cache that an answer about any picture may take.
    public func mostRows(in model: LLaVAModel, options: GenerationOptions) -> Int {
        let text = prompt.reduce(0) { rows, piece in
            if case .tokens(let tokens) = piece { rows + tokens.count } else { rows }
        }
        let visual = model.vision.config.largestVisualTokenCount
        let patches = options.pruning?.budget.mostKept(of: visual) ?? visual
        // Every kept patch may bring the newline of its row along.
        let newlines = model.vision.config.pinpoints.isEmpty ? 0 : patches
        let prompt = text + min(visual, patches + newlines)
        return prompt >= model.context
            ? model.context
            : prompt + min(options.maxNewTokens, model.context - prompt)
    }
}

extension LLaVA {
    /// A generator that answers many requests at once.
    ///
    /// - Parameters:
    ///   - parallel: the most answers on their way at the same time.
    ///   - cacheRows: rows of the KV cache of all of them together.
    /// - Throws: `LLaVAError`.
    public func batch(parallel: Int, cacheRows: Int) throws(LLaVAError) -> BatchGenerator {
        do {
            return try BatchGenerator(
                model: model, tokenizer: tokenizer, cacheFormat: cacheFormat, parallel: parallel,
                cacheRows: cacheRows)
        } catch {
            throw LLaVAError(error)
        }
    }

    /// Encodes a picture that several questions will be asked about.
    ///
    /// - Parameters:
    ///   - options: how these will be answered.
    ///   - encoder: what encodes it: nil for the model, or what its `encodingApart` gave.
    /// - Throws: `GenerationError`.
    public func encode(
        _ tiles: TileBatch, options: GenerationOptions, by encoder: LLaVAModel? = nil,
        cancellation: Cancellation
    ) throws(GenerationError) -> EncodedPicture {
        var needs: Set<SelectionNeed> = []
        if let pruning = options.pruning {
            do {
                needs = try TokenSelectors.named(pruning.selector, pruning.selectorOptions).info
                    .needs
            } catch {
                throw .pruning(error)
            }
        }
        return try EncodedPicture(
            tiles, needs: needs, encoder ?? model, cancellation: cancellation)
    }
}
