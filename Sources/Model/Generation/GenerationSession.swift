// SPDX-License-Identifier: Apache-2.0
import Imaging
import LLaVAModel
import TensorOps
import TokenPruning
import Tokenization

/// One sequence of prompts and answers on one KV cache.
///
/// A session belongs to one thread at a time.
public final class GenerationSession {
    /// The model that answers.
    public let model: LLaVAModel
    /// The tokenizer of the model's text file.
    public let tokenizer: Tokenizer
    /// How the KV cache stores numbers.
    public let cacheFormat: CacheFormat

    private var cache: KeyValueCache
    private let scheduler: PrefillScheduler
    private var sequence = SequenceState()
    /// Kept where every question selects anew; nil once a question did not.
    private var history: ConversationHistory? = ConversationHistory()

    /// An empty sequence with room for the model's context.
    ///
    /// - Throws: `GenerationError.vocabularyMismatch`, and `GenerationError.model` when there is no
    ///   memory for the KV cache.
    public init(
        model: LLaVAModel, tokenizer: Tokenizer, cacheFormat: CacheFormat = .f16
    ) throws(GenerationError) {
        try model.check(tokenizer)
        self.model = model
        self.tokenizer = tokenizer
        self.cacheFormat = cacheFormat
        do {
            let pool = try CachePagePool(
                model.decoder.config, rows: model.context, format: cacheFormat)
            cache = try KeyValueCache(pool, rows: model.context)
        } catch {
            throw .model(error)
        }
        scheduler = PrefillScheduler(model.decoder)
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
        onProgress: (PromptProgress) -> Void = { _ in }
    ) throws(GenerationError) -> Answer {
        try check(prompt, pictures: pictures.map(\.geometry), options: options)
        let rows = try RowSelection(options.pruning, question: question, model)
        var statistics = GenerationStatistics()
        return try undoneOnFailure { () throws(GenerationError) in
            var told = options.pruning?.reselects == true ? history : nil
            let prefilled = try unlessCancelled { () throws(GenerationError) in
                let encoded = try encode(
                    pictures, rows.needs, &statistics, cancellation, recorder, onProgress)
                told = told?.appending(prompt, encoded)
                let selected = try rows.select(
                    told?.pictures ?? encoded, &statistics, recorder: recorder)
                let answer =
                    if let told {
                        try answer(anew: told, selected, options, statistics, recorder, onText)
                    } else {
                        try answer(to: prompt, selected, options, statistics, recorder, onText)
                    }
                try prefill(answer, cancellation, onProgress)
                return answer
            }
            guard let answer = prefilled else {
                return Answer(
                    text: "", tokens: [], selections: [], stopReason: .cancelled,
                    statistics: statistics)
            }
            try decode(answer, cancellation)
            (cache, sequence) = (answer.cache, answer.sequence)
            let finished = answer.finish()
            history = told?.appending([.tokens(finished.tokens)], [])
            return finished
        }
    }

    /// Whether nothing has been asked yet.
    public var isEmpty: Bool { sequence.tokens.isEmpty }

    private var pendingTokens: ArraySlice<TokenID> { sequence.tokens[cache.rowCount...] }

    /// Checks that a prompt can be answered, before any pixel of its pictures is looked at.
    ///
    /// - Throws: `GenerationError`, as `answer` would.
    public func check(
        _ prompt: [PromptPiece], pictures: [TileGeometry], options: GenerationOptions
    ) throws(GenerationError) {
        try options.validate()
        let layouts = pictures.map(model.layout)
        if options.pruning?.reselects == true, let history {
            let told = history.appending(prompt, [])
            _ = try PromptPlan(
                told.pieces, largest: history.pictures.map(\.layout) + layouts, after: 0, from: 0,
                options, model)
        } else {
            _ = try PromptPlan(
                prompt, largest: layouts, after: sequence.tokens.count, from: endPosition, options,
                model)
        }
    }

    /// The position after the last row, those that are pending included.
    private var endPosition: Int { sequence.nextPosition + pendingTokens.count }

    private func encode(
        _ pictures: [TileBatch], _ needs: Set<SelectionNeed>,
        _ statistics: inout GenerationStatistics, _ cancellation: Cancellation,
        _ recorder: StageRecorder?, _ onProgress: (PromptProgress) -> Void
    ) throws(GenerationError) -> [EncodedPicture] {
        var encoded: [EncodedPicture] = []
        for (picture, tiles) in pictures.enumerated() {
            func report(_ done: Double) {
                onProgress(.encoding(picture: picture, of: pictures.count, done: done))
            }
            report(0)
            let encoding = try PictureEncoding(tiles, needs: needs, model, recorder: recorder)
            try encoding.finish(cancellation, onProgress: report)
            statistics.add(encoding)
            encoded.append(encoding.picture)
        }
        return encoded
    }

    /// An answer whose pending rows are what the sequence has not run yet, then the prompt.
    private func answer(
        to prompt: [PromptPiece], _ visual: [RowSelection.Result], _ options: GenerationOptions,
        _ encoding: GenerationStatistics, _ recorder: StageRecorder?,
        _ onText: @escaping (String) -> Void
    ) throws(GenerationError) -> AnswerInProgress {
        let selections = visual.map(\.selection)
        let plan = try PromptPlan(
            prompt, selections, after: sequence.tokens.count, from: endPosition, options, model)
        var pending = PendingRows()
        for (offset, token) in pendingTokens.enumerated() {
            pending.append(token, at: sequence.nextPosition + offset)
        }
        pending.append(plan, from: endPosition, visual)
        pending.record(recorder)
        var continued = sequence
        continued.tokens += plan.layout.tokens
        return AnswerInProgress(
            model, tokenizer, cache, continued, pending, options, selections,
            GenerationStatistics(encoding, plan, selections), recorder: recorder, onText: onText)
    }

    /// An answer to a conversation that is read again from its first picture on, in a cache of its own.
    private func answer(
        anew told: ConversationHistory, _ visual: [RowSelection.Result],
        _ options: GenerationOptions, _ encoding: GenerationStatistics,
        _ recorder: StageRecorder?, _ onText: @escaping (String) -> Void
    ) throws(GenerationError) -> AnswerInProgress {
        let selections = visual.map(\.selection)
        let plan = try PromptPlan(told.pieces, selections, after: 0, from: 0, options, model)
        let text = plan.layout.tokens.prefix { $0 != PromptLayout.visualToken }
        let kept = min(cache.rowCount, text.count, plan.layout.rowCount - 1)
        let fresh = try modelled { () throws(ModelError) in
            let pool = try CachePagePool(
                model.decoder.config, rows: model.context, format: cacheFormat)
            return try KeyValueCache(
                copying: kept, of: cache, to: pool, rows: model.context)
        }
        var pending = PendingRows()
        pending.append(plan, from: 0, visual)
        pending.record(recorder)
        pending.skip(kept)
        return AnswerInProgress(
            model, tokenizer, fresh, SequenceState(tokens: plan.layout.tokens), pending, options,
            selections, GenerationStatistics(encoding, plan, selections), recorder: recorder,
            onText: onText)
    }

    /// Runs pending tokens and the prompt, and chooses the answer's first token.
    private func prefill(
        _ answer: AnswerInProgress, _ cancellation: Cancellation,
        _ onProgress: (PromptProgress) -> Void
    ) throws(GenerationError) {
        onProgress(.reading(done: 0))
        let (clock, output) = (ContinuousClock.now, scheduler.outputSeconds)
        let all = Double(answer.pending.count)
        while answer.pending.count > 0 && !answer.hasStarted {
            let before = all - Double(answer.pending.count)
            try step(answer, cancellation) { done in
                let rows = min(all - before, Double(PrefillScheduler.rowsPerBatch))
                onProgress(.reading(done: (before + done * rows) / all))
            }
        }
        answer.statistics.prefillSeconds = (ContinuousClock.now - clock) / .seconds(1)
        answer.statistics.outputSeconds = scheduler.outputSeconds - output
    }

    /// Chooses tokens until something ends the answer.
    private func decode(
        _ answer: AnswerInProgress, _ cancellation: Cancellation
    ) throws(GenerationError) {
        let (clock, output) = (ContinuousClock.now, scheduler.outputSeconds)
        while answer.stopReason == nil {
            let step: Void? = try unlessCancelled { () throws(GenerationError) in
                try self.step(answer, cancellation)
            }
            if step == nil { answer.stop(.cancelled) }
        }
        answer.statistics.decodeSeconds = (ContinuousClock.now - clock) / .seconds(1)
        answer.statistics.outputSeconds += scheduler.outputSeconds - output
    }

    /// Runs one batch of the answer's rows.
    private func step(
        _ answer: AnswerInProgress, _ cancellation: Cancellation,
        onProgress: (Double) -> Void = { _ in }
    ) throws(GenerationError) {
        try modelled { () throws(ModelError) in
            var failure: ModelError?
            try scheduler.step(
                [answer], cancellation: cancellation, onProgress: onProgress,
                onError: { failure = $1 })
            if let failure { throw failure }
        }
    }

    /// What `body` returns; when it throws, the sequence is as before.
    private func undoneOnFailure<Result>(
        _ body: () throws(GenerationError) -> Result
    ) throws(GenerationError) -> Result {
        let (rowCount, before) = (cache.rowCount, sequence)
        do {
            return try body()
        } catch {
            cache.truncate(to: rowCount)
            sequence = before
            throw error
        }
    }

    /// What `body` returns, or nil when it was cancelled.
    private func unlessCancelled<Result>(
        _ body: () throws(GenerationError) -> Result
    ) throws(GenerationError) -> Result? {
        do {
            return try body()
        } catch {
            guard error == .model(.cancelled) else { throw error }
            return nil
        }
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
