// SPDX-License-Identifier: Apache-2.0
import Families
import Generation
import Pictures
import TokenPruning
import Tokenization
import Weights

/// A question about one picture, written down once for a model and asked about many.
package struct PictureQuestion: Sendable {
    private let written: WrittenPrompt

    /// Writes a question as `Conversation.ask` does.
    ///
    /// - Parameters:
    ///   - template: nil for the one that the model asks for.
    ///   - system: what the conversation starts with; nil for the template's own text.
    /// - Throws: `LLaVAError` when no template is known, or the question places another number of
    ///   pictures than one.
    package init(
        _ question: String, for llava: LLaVA, template: ChatTemplate? = nil, system: String? = nil
    ) throws(LLaVAError) {
        let prompts = try llava.prompts(template, system: system)
        do {
            written = try WrittenPrompt(question, pictures: 1, by: prompts, llava.tokenizer)
        } catch {
            throw .tokenization(error)
        }
    }

    /// Takes a prompt as it is, as `LLaVA.complete` does.
    ///
    /// - Throws: `LLaVAError` when the text places another number of pictures than one.
    package init(raw text: String, for llava: LLaVA) throws(LLaVAError) {
        do {
            written = try WrittenPrompt(raw: text, pictures: 1, llava.tokenizer)
        } catch {
            throw .tokenization(error)
        }
    }

    /// Asks the question about a picture.
    package func request(
        id: Int, about tiles: TileBatch, options: GenerationOptions
    ) -> BatchGenerator.Request {
        BatchGenerator.Request(
            id: id, prompt: written.pieces, pictures: [tiles], question: written.question,
            options: written.stopping(options))
    }

    /// Asks the question about a picture that is encoded, for all that the selector of `options` looks at.
    package func request(
        id: Int, about picture: EncodedPicture, options: GenerationOptions
    ) -> BatchGenerator.Request {
        BatchGenerator.Request(
            id: id, prompt: written.pieces, encoded: [picture], question: written.question,
            options: written.stopping(options))
    }

    /// The most rows of the KV cache that an answer about any picture may take.
    package func mostRows(in model: LLaVAModel, options: GenerationOptions) -> Int {
        let text = written.pieces.reduce(0) { rows, piece in
            if case .tokens(let tokens) = piece { rows + tokens.count } else { rows }
        }
        let prompt =
            text + model.pictureEncoder.largestPlans.mostRows(within: options.pruning?.budget)
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
    package func batch(parallel: Int, cacheRows: Int) throws(LLaVAError) -> BatchGenerator {
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
    ///   - encoder: what encodes it; nil for the model's own.
    /// - Throws: `GenerationError`.
    package func encode(
        _ tiles: TileBatch, options: GenerationOptions, by encoder: (any PictureEncoder)? = nil,
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
            tiles, needs: needs, by: encoder ?? model.pictureEncoder, cancellation: cancellation)
    }
}
