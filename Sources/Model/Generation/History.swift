// SPDX-License-Identifier: Apache-2.0
import Families
import Pictures
import Synchronization
import TokenPruning
import Tokenization
import Weights

/// What was said and shown in a conversation.
///
/// Every question is asked with all of it. The rows that the engine's cache has are not read again.
package struct History: Sendable {
    private var prompt: [PromptPiece] = []
    /// Pictures of which nothing is left out; nil once a question did not select anew.
    private var encoded: [EncodedPicture]? = []
    private var selected: [SelectedPicture] = []
    private var rowCount = 0
    private var visualRowCount = 0
    private var unprunedVisualRowCount = 0

    /// Nothing said yet.
    package init() {}

    /// Whether nothing has been said yet.
    package var isEmpty: Bool { prompt.isEmpty }

    /// Asks the next question, and waits for its answer.
    ///
    /// Every check comes before any work: a question that does not fit changes nothing. Cancelled before its first
    /// token, the question is not part of the conversation; an answer that is cut short is.
    ///
    /// - Parameters:
    ///   - question: with the pictures that come with it.
    ///   - plans: what becomes of these pictures.
    ///   - onEvent: called on this thread.
    /// - Throws: `GenerationError`; the conversation is then as before.
    package mutating func ask(
        _ question: Engine.Request, plans: [PicturePlan], of engine: Engine,
        cancellation: Cancellation = Cancellation(), onEvent: (Engine.Event) -> Void = { _ in }
    ) throws(GenerationError) -> Answer {
        try check(question.prompt, plans, question.options, engine.model)
        let shown = Mutex<(encoded: [EncodedPicture], selected: [SelectedPicture])>(([], []))
        var request = whole(question)
        // Only who selects anew looks at rows again that were left out.
        request.onPictures = { [reselects = question.reselects] encoded, selected in
            shown.withLock { $0 = (reselects ? encoded : [], selected) }
        }
        let answer: Answer
        do throws(GenerationError) {
            answer = try engine.answer(request, cancellation: cancellation, onEvent: onEvent)
        } catch .model(.cancelled) {
            return Answer(
                text: "", tokens: [], selections: [], stopReason: .cancelled,
                statistics: GenerationStatistics())
        }
        let own = request.reselects ? answer : withoutEarlier(answer)
        let (encoded, selected) = shown.withLock(\.self)
        append(request, answer, encoded, selected)
        return own
    }

    /// Checks that a question can be answered, before any pixel of its pictures is looked at.
    private func check(
        _ prompt: [PromptPiece], _ plans: [PicturePlan], _ options: GenerationOptions,
        _ model: LLaVAModel
    ) throws(GenerationError) {
        try options.validate()
        let largest = plans.map { PromptLayout.Picture(largest: $0, options) }
        // Alone, a prompt without rows or with other pictures is told from what was said before.
        _ = try PromptLayout(prompt, largest)
        let before = earlier(options).map { $0.largest(options) }
        do {
            _ = try PromptPlan(whole(prompt), before + largest, options, model)
        } catch .promptTooLong(let rows, let visualRows, _, let context)
            where options.pruning?.reselects != true
        {
            throw .promptTooLong(
                rows: rows - rowCount, visualRows: visualRows - visualRowCount, used: rowCount,
                context: context)
        }
    }

    /// The question after all that was said and shown before.
    private func whole(_ question: Engine.Request) -> Engine.Request {
        var request = question
        request.prompt = whole(question.prompt)
        request.pictures =
            earlier(question.options).map { Engine.Picture($0) } + question.pictures
        request.saidRows = rowCount
        return request
    }

    private func whole(_ prompt: [PromptPiece]) -> [PromptPiece] {
        self.prompt
            + prompt.map { piece in
                switch piece {
                case .tokens: piece
                case .picture(let index): .picture(index + selected.count)
                }
            }
    }

    /// The pictures that were shown before, as the next question looks at them.
    private func earlier(_ options: GenerationOptions) -> [BatchGenerator.PictureInput] {
        if options.pruning?.reselects == true, let encoded {
            return encoded.map { .encoded($0) }
        }
        return selected.map { .selected($0) }
    }

    private mutating func append(
        _ request: Engine.Request, _ answer: Answer, _ encoded: [EncodedPicture],
        _ selected: [SelectedPicture]
    ) {
        prompt = request.prompt + [.tokens(answer.tokens)]
        self.encoded = request.reselects && self.encoded != nil ? encoded : nil
        self.selected = selected
        rowCount = answer.statistics.promptRows + answer.tokens.count
        visualRowCount = answer.statistics.visualRows
        unprunedVisualRowCount = answer.statistics.unprunedVisualRows
    }

    /// An answer with its own question's pictures and rows, without those of earlier ones.
    private func withoutEarlier(_ answer: Answer) -> Answer {
        var statistics = answer.statistics
        statistics.promptRows -= rowCount
        statistics.visualRows -= visualRowCount
        statistics.unprunedVisualRows -= unprunedVisualRowCount
        return Answer(
            text: answer.text, tokens: answer.tokens,
            selections: Array(answer.selections.dropFirst(selected.count)),
            stopReason: answer.stopReason, statistics: statistics)
    }
}

extension Engine.Request {
    /// Whether visual tokens are selected anew among those of all pictures.
    fileprivate var reselects: Bool { options.pruning?.reselects == true }
}
