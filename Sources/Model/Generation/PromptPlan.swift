// SPDX-License-Identifier: Apache-2.0
import Families
import Tokenization

/// A prompt's rows and their positions, known to fit.
struct PromptPlan {
    let layout: PromptLayout
    let placed: PromptPositions

    /// Plans a prompt.
    ///
    /// - Throws: `GenerationError`.
    init(
        _ prompt: [PromptPiece], _ pictures: [PromptLayout.Picture], _ options: GenerationOptions,
        _ model: LLaVAModel
    ) throws(GenerationError) {
        layout = try PromptLayout(prompt, pictures)
        // One row is left for the answer's first token, or there would be no second.
        guard layout.rowCount < model.context else {
            throw .promptTooLong(
                rows: layout.rowCount, visualRows: layout.visualRowCount, used: 0,
                context: model.context)
        }
        placed = try PromptPositions(
            layout, options.pruning?.positions ?? .original,
            answer: min(options.maxNewTokens, model.context - layout.rowCount),
            contextLength: model.decoder.config.contextLength)
    }
}
