// SPDX-License-Identifier: Apache-2.0
import Imaging
import LLaVAModel
import TensorOps
import TokenPruning
import Tokenization

/// How far a prompt has come on its way through the model; the answer begins after it.
public enum PromptProgress: Sendable, Equatable {
    /// A picture, counted from 0, is in the vision tower; `done` goes from 0 to 1.
    case encoding(picture: Int, of: Int, done: Double)
    /// The prompt's rows are in the decoder; `done` goes from 0 to 1.
    case reading(done: Double)
}

/// One sequence of prompts and answers: a batch of one, over the rows that it keeps in the cache.
///
/// Every question is asked with all that was said before; what the cache has of it is not read again. A session belongs
/// to one thread at a time.
public final class GenerationSession {
    /// The model that answers.
    public let model: LLaVAModel
    /// The tokenizer of the model's text file.
    public let tokenizer: Tokenizer
    /// How the KV cache stores numbers.
    public let cacheFormat: CacheFormat

    private let generator: BatchGenerator
    /// Everything that was said.
    private var history = History()

    /// An empty sequence with room for the model's context.
    ///
    /// - Throws: `GenerationError.vocabularyMismatch`, and `GenerationError.model` when there is no
    ///   memory for the KV cache.
    public init(
        model: LLaVAModel, tokenizer: Tokenizer, cacheFormat: CacheFormat = .f16
    ) throws(GenerationError) {
        self.model = model
        self.tokenizer = tokenizer
        self.cacheFormat = cacheFormat
        // A page more than full ones are shared: the one that an answer ended in is copied by the next.
        generator = try BatchGenerator(
            model: model, tokenizer: tokenizer, cacheFormat: cacheFormat, parallel: 1,
            cacheRows: model.context + 2 * CachePageLayout.tokens)
    }

    /// Whether nothing has been asked yet.
    public var isEmpty: Bool { history.prompt.isEmpty }

    /// Checks that a prompt can be answered, before any pixel of its pictures is looked at.
    ///
    /// - Throws: `GenerationError`, as `answer` would.
    public func check(
        _ prompt: [PromptPiece], pictures: [TileGeometry], options: GenerationOptions
    ) throws(GenerationError) {
        try options.validate()
        let largest = pictures.map { geometry in
            PictureSelection(largest: model.layout(geometry), for: options)
        }
        // Alone, a prompt without rows or with other pictures is told from what was said before.
        _ = try PromptLayout(prompt, largest)
        let before = earlier(options).map { $0.largestSelection(options, model) }
        do {
            _ = try PromptPlan(whole(prompt), before + largest, options, model)
        } catch .promptTooLong(let rows, let visualRows, _, let context)
            where options.pruning?.reselects != true
        {
            throw .promptTooLong(
                rows: rows - history.rowCount, visualRows: visualRows - history.visualRowCount,
                used: history.rowCount, context: context)
        }
    }

    /// Appends a prompt to the sequence and generates its answer.
    ///
    /// Every check comes before any work: a prompt that does not fit changes nothing. Cancelled
    /// before its first token, the prompt is not part of the sequence.
    ///
    /// - Parameters:
    ///   - pictures: the tiles of every picture that the prompt refers to.
    ///   - question: the question as typed, for selectors of visual tokens that look at it.
    ///   - recorder: gets what each stage computes.
    ///   - onProgress: told what happens before the answer's first piece.
    ///   - onText: called with each piece of the answer; always whole characters.
    /// - Throws: `GenerationError`; the sequence is then as before.
    public func answer(
        _ prompt: [PromptPiece], pictures: [TileBatch], question: [TokenID] = [],
        options: GenerationOptions, cancellation: Cancellation = Cancellation(),
        recorder: StageRecorder? = nil, onText: @escaping (String) -> Void = { _ in },
        onProgress: @escaping (PromptProgress) -> Void = { _ in }
    ) throws(GenerationError) -> Answer {
        try check(prompt, pictures: pictures.map(\.geometry), options: options)
        let earlier = earlier(options)
        let request = BatchGenerator.Request(
            id: 0, prompt: whole(prompt),
            pictures: earlier + pictures.map { .tiles($0, key: .unique()) },
            question: question, options: options, isContinued: true)
        var shown: (encoded: [EncodedPicture], selected: [SelectedPicture]) = ([], [])
        let observer = RequestObserver(
            onEvent: { event in
                switch event {
                case .encoding(let picture, let count, let done):
                    onProgress(.encoding(picture: picture, of: count, done: done))
                case .reading(let done): onProgress(.reading(done: done))
                case .text(let piece): onText(piece)
                }
            }, onPictures: { shown = ($0, $1) }, recorder: recorder)
        let answer: Answer
        do throws(GenerationError) {
            answer = try run(request, cancellation, observer)
        } catch .model(.cancelled) {
            return Answer(
                text: "", tokens: [], selections: [], stopReason: .cancelled,
                statistics: GenerationStatistics())
        }
        let reselects = options.pruning?.reselects == true
        let before = history
        remember(request, answer, shown.encoded, shown.selected, reselects: reselects)
        return reselects ? answer : answer.without(before)
    }

    /// Takes the request through the generator.
    private func run(
        _ request: BatchGenerator.Request, _ cancellation: Cancellation,
        _ observer: RequestObserver
    ) throws(GenerationError) -> Answer {
        try generator.start(request, cancellation: cancellation, observer)
        while true {
            for outcome in try generator.step() { return try outcome.result.get() }
        }
    }

    /// The prompt after all that was said before.
    private func whole(_ prompt: [PromptPiece]) -> [PromptPiece] {
        let before = history.selected.count
        return history.prompt
            + prompt.map { piece in
                switch piece {
                case .tokens: piece
                case .picture(let index): .picture(index + before)
                }
            }
    }

    /// The pictures that were shown before, as the next question looks at them.
    private func earlier(_ options: GenerationOptions) -> [BatchGenerator.PictureInput] {
        if options.pruning?.reselects == true, let encoded = history.encoded {
            return encoded.map { .encoded($0) }
        }
        return history.selected.map { .selected($0) }
    }

    private func remember(
        _ request: BatchGenerator.Request, _ answer: Answer, _ encoded: [EncodedPicture],
        _ selected: [SelectedPicture], reselects: Bool
    ) {
        history.prompt = request.prompt + [.tokens(answer.tokens)]
        history.encoded = reselects && history.encoded != nil ? encoded : nil
        history.selected = selected
        history.rowCount = answer.statistics.promptRows + answer.tokens.count
        history.visualRowCount = answer.statistics.visualRows
        history.unprunedVisualRowCount = answer.statistics.unprunedVisualRows
    }
}

/// What was said, and shown.
private struct History {
    var prompt: [PromptPiece] = []
    /// Pictures of which nothing is left out; nil once a question did not select anew.
    var encoded: [EncodedPicture]? = []
    var selected: [SelectedPicture] = []
    var rowCount = 0
    var visualRowCount = 0
    var unprunedVisualRowCount = 0
}

extension Answer {
    /// The answer with its own prompt's pictures and rows, those of earlier ones left out.
    fileprivate func without(_ history: History) -> Answer {
        var statistics = statistics
        statistics.promptRows -= history.rowCount
        statistics.visualRows -= history.visualRowCount
        statistics.unprunedVisualRows -= history.unprunedVisualRowCount
        return Answer(
            text: text, tokens: tokens,
            selections: Array(selections.dropFirst(history.selected.count)),
            stopReason: stopReason, statistics: statistics)
    }
}

extension LLaVAModel {
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
