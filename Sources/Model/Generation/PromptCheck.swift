// SPDX-License-Identifier: Apache-2.0
import Families
import Imaging
import Pictures
import Tokenization
import Weights

/// The rows of a prompt, known before its pictures are encoded.
public struct PromptRows: Sendable, Equatable {
    /// All rows: exact, unless the budget is automatic or rows beside patches are pruned; then the most.
    public let all: Int
    /// Those that stand for pictures.
    public let visual: Int
    /// The most rows of the KV cache that the prompt and its answer take.
    public let withAnswer: Int
}

extension LLaVAModel {
    /// Checks that a prompt can be answered, before any pixel of its pictures is looked at.
    ///
    /// - Throws: `GenerationError`, as the answer would.
    public func check(
        _ prompt: [PromptPiece], pictures: [PicturePlan], options: GenerationOptions
    ) throws(GenerationError) -> PromptRows {
        try options.validate()
        let largest = pictures.map { PromptLayout.Picture(largest: $0, options) }
        let plan = try PromptPlan(prompt, largest, options, self)
        return PromptRows(
            all: plan.layout.rowCount, visual: plan.layout.visualRowCount,
            withAnswer: min(context, plan.layout.rowCount + options.maxNewTokens))
    }

    /// Checks that there is an embedding for every token.
    ///
    /// - Throws: `GenerationError.vocabularyMismatch`.
    public func check(_ tokenizer: Tokenizer) throws(GenerationError) {
        guard tokenizer.vocabularySize <= decoder.vocabularySize else {
            throw .vocabularyMismatch(
                tokenizer: tokenizer.vocabularySize, embeddings: decoder.vocabularySize)
        }
    }
}
