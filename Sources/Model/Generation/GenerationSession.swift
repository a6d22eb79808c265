// SPDX-License-Identifier: Apache-2.0
import Imaging
import LLaVAModel
import TensorOps
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

    private let cache: KeyValueCache
    private var sequence = SequenceState()

    /// An empty sequence with room for the model's context.
    ///
    /// - Throws: `GenerationError.vocabularyMismatch`, and `GenerationError.model` when there is no
    ///   memory for the KV cache.
    public init(
        model: LLaVAModel, tokenizer: Tokenizer, cacheFormat: CacheFormat = .f16
    ) throws(GenerationError) {
        guard tokenizer.vocabularySize <= model.decoder.vocabularySize else {
            throw .vocabularyMismatch(
                tokenizer: tokenizer.vocabularySize, embeddings: model.decoder.vocabularySize)
        }
        self.model = model
        self.tokenizer = tokenizer
        self.cacheFormat = cacheFormat
        do {
            cache = try KeyValueCache(
                model.decoder.config, capacity: model.context, format: cacheFormat)
        } catch {
            throw .model(error)
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
        onProgress: (PromptProgress) -> Void = { _ in }
    ) throws(GenerationError) -> Answer {
        try check(prompt, pictures: pictures.map(\.geometry), options: options)
        let encoder = VisualEncoder(
            model: model, pruning: options.pruning, question: model.decoder.embed(question),
            cancellation: cancellation, recorder: recorder)
        var statistics = GenerationStatistics()
        return try undoneOnFailure { () throws(GenerationError) in
            let prefilled = try unlessCancelled { () throws(GenerationError) in
                let visual = try encode(pictures, encoder, &statistics, onProgress)
                return (
                    try prefill(
                        prompt, visual, options, &statistics, cancellation, recorder, onProgress),
                    visual.map(\.selection)
                )
            }
            guard let (logits, selections) = prefilled else {
                return finished("", [], .cancelled, [], statistics)
            }
            return try decode(
                from: logits, options, selections, statistics, cancellation, recorder, onText)
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
        let largest = pictures.map { geometry in
            let layout = model.layout(geometry)
            return PictureSelection(
                largest: layout,
                most: options.pruning?.budget.mostKept(of: layout.candidates.count)
                    ?? layout.candidates.count)
        }
        let layout = try PromptLayout(prompt, largest)
        // One row is left for the answer's first token, or there would be no second.
        guard sequence.tokens.count + layout.rowCount < model.context else {
            throw .promptTooLong(
                rows: layout.rowCount, visualRows: layout.visualRowCount,
                used: sequence.tokens.count, context: model.context)
        }
        _ = try positions(of: layout, options)
    }

    /// Where a prompt's rows stand when it follows the sequence.
    private func positions(
        of layout: PromptLayout, _ options: GenerationOptions
    ) throws(GenerationError) -> PromptPositions {
        let room = model.context - sequence.tokens.count - layout.rowCount
        return try PromptPositions(
            layout, options.pruning?.positions ?? .original,
            start: sequence.nextPosition + pendingTokens.count,
            answer: min(options.maxNewTokens, max(0, room)),
            contextLength: model.decoder.config.contextLength)
    }

    private func encode(
        _ pictures: [TileBatch], _ encoder: VisualEncoder,
        _ statistics: inout GenerationStatistics, _ onProgress: (PromptProgress) -> Void
    ) throws(GenerationError) -> [VisualEncoder.Result] {
        var visual: [VisualEncoder.Result] = []
        for (picture, tiles) in pictures.enumerated() {
            func report(_ done: Double) {
                onProgress(.encoding(picture: picture, of: pictures.count, done: done))
            }
            report(0)
            visual.append(try encoder.encode(tiles, &statistics, onProgress: report))
        }
        return visual
    }

    /// Runs pending tokens and the prompt in one batch; returns the scores after its last row.
    private func prefill(
        _ prompt: [PromptPiece], _ visual: [VisualEncoder.Result], _ options: GenerationOptions,
        _ statistics: inout GenerationStatistics, _ cancellation: Cancellation,
        _ recorder: StageRecorder?, _ onProgress: (PromptProgress) -> Void
    ) throws(GenerationError) -> Activations {
        let layout = try PromptLayout(prompt, visual.map(\.selection))
        let placed = try positions(of: layout, options)
        statistics.promptRows = layout.rowCount
        statistics.visualRows = layout.visualRowCount
        statistics.unprunedVisualRows = visual.reduce(0) { $0 + $1.selection.unprunedRowCount }
        statistics.usesCompactPositions = placed.isCompact
        let pending = pendingTokens.count
        let tokens = Array(pendingTokens) + layout.tokens
        let start = sequence.nextPosition
        let positions =
            (start..<(start + pending)).map { Int32($0) }
            + placed.offsets.map { Int32(start + pending + $0) }
        recorder?.recordRows(tokens: tokens, positions: positions)
        let logits = try measure(&statistics.prefillSeconds) { () throws(GenerationError) in
            let hidden = model.decoder.embed(tokens.map { max(0, $0) })
            for (rows, picture) in zip(layout.pictureRows, visual) {
                hidden.row(pending + rows.lowerBound).update(
                    from: picture.rows.values, count: picture.rows.rows * picture.rows.width)
            }
            onProgress(.reading(done: 0))
            return try run(hidden, at: positions, cancellation) { onProgress(.reading(done: $0)) }
        }
        sequence.tokens += layout.tokens
        sequence.nextPosition = start + pending + placed.count
        return logits
    }

    /// Chooses tokens until something ends the answer.
    private func decode(
        from firstLogits: Activations, _ options: GenerationOptions,
        _ selections: [PictureSelection], _ prefillStatistics: GenerationStatistics,
        _ cancellation: Cancellation, _ recorder: StageRecorder?,
        _ onText: @escaping (String) -> Void
    ) throws(GenerationError) -> Answer {
        var statistics = prefillStatistics
        var text = AnswerText(tokenizer, stops: options.stopStrings, onText)
        var sampler = Sampler(
            options.sampling,
            excluding: options.ignoresEndOfSequence ? tokenizer.endOfGeneration : [])
        var tokens: [TokenID] = []
        let reason = try measure(&statistics.decodeSeconds) {
            () throws(GenerationError) -> Answer.StopReason in
            var logits = firstLogits
            while true {
                let token = sampler.next(scores(logits), recent: sequence.tokens[...])
                recorder?.recordStep(logits, chosen: token)
                if tokenizer.endOfGeneration.contains(token) { return .endOfSequence }
                tokens.append(token)
                sequence.tokens.append(token)
                text.append(token)
                if text.hasStopped { return .stopString }
                if tokens.count == options.maxNewTokens { return .length }
                if !hasRoom { return .context }
                let next = try unlessCancelled { () throws(GenerationError) in
                    try run(
                        model.decoder.embed([token]), at: [Int32(sequence.nextPosition)],
                        cancellation)
                }
                guard let next else { return .cancelled }
                sequence.nextPosition += 1
                logits = next
            }
        }
        return finished(text.finish(), tokens, reason, selections, statistics)
    }

    /// Whether the last token can go through the decoder.
    private var hasRoom: Bool {
        sequence.tokens.count < model.context
            && sequence.nextPosition < model.decoder.config.contextLength
    }

    private func finished(
        _ text: String, _ tokens: [TokenID], _ reason: Answer.StopReason,
        _ selections: [PictureSelection], _ statistics: GenerationStatistics
    ) -> Answer {
        var statistics = statistics
        let pruned = statistics.unprunedVisualRows - statistics.visualRows
        let bytesPerRow = KeyValueCache.bytesPerRow(model.decoder.config, format: cacheFormat)
        statistics.generatedTokens = tokens.count
        statistics.cacheRows = cache.rowCount
        statistics.cacheBytes = cache.rowCount * bytesPerRow
        statistics.unprunedCacheBytes = (cache.rowCount + pruned) * bytesPerRow
        return Answer(
            text: text, tokens: tokens, selections: selections, stopReason: reason,
            statistics: statistics)
    }

    /// Runs rows at the given positions; returns the scores after the last one.
    private func run(
        _ hidden: Activations, at positions: [Int32], _ cancellation: Cancellation,
        onProgress: (Double) -> Void = { _ in }
    ) throws(GenerationError) -> Activations {
        try modelled { () throws(ModelError) in
            try model.decoder.run(
                hidden, at: positions, cache: cache, cancellation: cancellation,
                onProgress: onProgress)
            return try model.decoder.logits(hidden.copy(rows: (hidden.rows - 1)..<hidden.rows))
        }
    }

    /// The scores of the tokens that the tokenizer knows.
    private func scores(_ logits: Activations) -> UnsafeBufferPointer<Float> {
        UnsafeBufferPointer(start: logits.values, count: tokenizer.vocabularySize)
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
