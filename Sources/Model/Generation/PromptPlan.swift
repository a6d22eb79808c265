// SPDX-License-Identifier: Apache-2.0
import LLaVAModel
import Tokenization

/// A prompt's rows and their positions, known to fit.
struct PromptPlan {
    let layout: PromptLayout
    let placed: PromptPositions

    /// Plans a prompt after `used` rows of a sequence, from `position` on.
    ///
    /// - Throws: `GenerationError`.
    init(
        _ prompt: [PromptPiece], _ pictures: [PictureSelection], after used: Int,
        from position: Int, _ options: GenerationOptions, _ model: LLaVAModel
    ) throws(GenerationError) {
        layout = try PromptLayout(prompt, pictures)
        // One row is left for the answer's first token, or there would be no second.
        guard used + layout.rowCount < model.context else {
            throw .promptTooLong(
                rows: layout.rowCount, visualRows: layout.visualRowCount, used: used,
                context: model.context)
        }
        placed = try PromptPositions(
            layout, options.pruning?.positions ?? .original, start: position,
            answer: min(options.maxNewTokens, model.context - used - layout.rowCount),
            contextLength: model.decoder.config.contextLength)
    }

    /// Plans for the most rows that pictures of the given layouts can take.
    init(
        _ prompt: [PromptPiece], largest layouts: [VisualTokenLayout], after used: Int,
        from position: Int, _ options: GenerationOptions, _ model: LLaVAModel
    ) throws(GenerationError) {
        let pictures = layouts.map { layout in
            let candidates = layout.candidates.count
            return PictureSelection(
                largest: layout,
                most: options.pruning?.budget.mostKept(of: candidates) ?? candidates)
        }
        try self.init(prompt, pictures, after: used, from: position, options, model)
    }
}
