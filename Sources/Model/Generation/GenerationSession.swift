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
    /// Every token of the sequence, −1 on visual rows; those beyond the cache's rows are pending.
    private var sequence: [TokenID] = []

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
    ///   - recorder: gets what each stage computes.
    ///   - onProgress: told what happens before the answer's first piece.
    ///   - onText: called with each piece of the answer; always whole characters.
    /// - Throws: `GenerationError`; the sequence is then as before.
    public func answer(
        _ prompt: [PromptPiece], pictures: [TileBatch], options: GenerationOptions,
        cancellation: Cancellation = Cancellation(), recorder: StageRecorder? = nil,
        onProgress: (PromptProgress) -> Void = { _ in },
        onText: @escaping (String) -> Void = { _ in }
    ) throws(GenerationError) -> Answer {
        let layout = try layout(prompt, pictures: pictures.map(\.geometry), options)
        var statistics = GenerationStatistics()
        statistics.promptRows = layout.rowCount
        statistics.visualRows = layout.visualRowCount
        return try undoneOnFailure { () throws(GenerationError) in
            let logits = try unlessCancelled { () throws(GenerationError) in
                let visual = try encode(pictures, &statistics, cancellation, recorder, onProgress)
                return try prefill(layout, visual, &statistics, cancellation, recorder, onProgress)
            }
            guard let logits else { return finished("", [], .cancelled, statistics) }
            return try decode(from: logits, options, statistics, cancellation, recorder, onText)
        }
    }

    /// Whether nothing has been asked yet.
    public var isEmpty: Bool { sequence.isEmpty }

    private var pendingTokens: ArraySlice<TokenID> { sequence[cache.rowCount...] }

    /// Checks that a prompt can be answered, before any pixel of its pictures is looked at.
    ///
    /// - Throws: `GenerationError`, as `answer` would.
    public func check(
        _ prompt: [PromptPiece], pictures: [TileGeometry], options: GenerationOptions
    ) throws(GenerationError) {
        _ = try layout(prompt, pictures: pictures, options)
    }

    private func layout(
        _ prompt: [PromptPiece], pictures: [TileGeometry], _ options: GenerationOptions
    ) throws(GenerationError) -> PromptLayout {
        try options.validate()
        let layout = try PromptLayout(prompt, pictures)
        // One row is left for the answer's first token, or there would be no second.
        guard sequence.count + layout.rowCount < model.context else {
            throw .promptTooLong(
                rows: layout.rowCount, visualRows: layout.visualRowCount, used: sequence.count,
                context: model.context)
        }
        return layout
    }

    /// The visual tokens of each picture.
    private func encode(
        _ pictures: [TileBatch], _ statistics: inout GenerationStatistics,
        _ cancellation: Cancellation, _ recorder: StageRecorder?,
        _ onProgress: (PromptProgress) -> Void
    ) throws(GenerationError) -> [Activations] {
        var visual: [Activations] = []
        for (picture, tiles) in pictures.enumerated() {
            func report(_ done: Double) {
                onProgress(.encoding(picture: picture, of: pictures.count, done: done))
            }
            report(0)
            recorder?.recordTiles(tiles)
            let features = try measure(&statistics.visionSeconds) { () throws(GenerationError) in
                try modelled { () throws(ModelError) in
                    try model.features(
                        of: tiles, cancellation: cancellation, onProgress: report)
                }
            }
            recorder?.recordFeatures(features, tiles: tiles.count)
            let rows = try measure(&statistics.projectionSeconds) { () throws(GenerationError) in
                try modelled { () throws(ModelError) in
                    try model.visualTokens(features, tiles.geometry)
                }
            }
            recorder?.recordProjected(rows)
            visual.append(rows)
        }
        return visual
    }

    /// Runs pending tokens and the prompt in one batch; returns the scores after its last row.
    private func prefill(
        _ layout: PromptLayout, _ visual: [Activations], _ statistics: inout GenerationStatistics,
        _ cancellation: Cancellation, _ recorder: StageRecorder?,
        _ onProgress: (PromptProgress) -> Void
    ) throws(GenerationError) -> Activations {
        let pending = pendingTokens.count
        let tokens = Array(pendingTokens) + layout.tokens
        recorder?.recordRows(tokens: tokens, positions: positions(of: tokens.count))
        let logits = try measure(&statistics.prefillSeconds) { () throws(GenerationError) in
            let hidden = model.decoder.embed(tokens.map { max(0, $0) })
            for (rows, picture) in zip(layout.pictureRows, visual) {
                hidden.row(pending + rows.lowerBound)
                    .update(from: picture.values, count: picture.rows * picture.width)
            }
            onProgress(.reading(done: 0))
            return try run(hidden, cancellation) { onProgress(.reading(done: $0)) }
        }
        sequence += layout.tokens
        return logits
    }

    /// Chooses tokens until something ends the answer.
    private func decode(
        from firstLogits: Activations, _ options: GenerationOptions,
        _ prefillStatistics: GenerationStatistics, _ cancellation: Cancellation,
        _ recorder: StageRecorder?, _ onText: @escaping (String) -> Void
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
                let token = sampler.next(scores(logits), recent: sequence[...])
                recorder?.recordStep(logits, chosen: token)
                if tokenizer.endOfGeneration.contains(token) { return .endOfSequence }
                tokens.append(token)
                sequence.append(token)
                text.append(token)
                if text.hasStopped { return .stopString }
                if tokens.count == options.maxNewTokens { return .length }
                if sequence.count == model.context { return .context }
                let next = try unlessCancelled { () throws(GenerationError) in
                    try run(model.decoder.embed([token]), cancellation)
                }
                guard let next else { return .cancelled }
                logits = next
            }
        }
        return finished(text.finish(), tokens, reason, statistics)
    }

    private func finished(
        _ text: String, _ tokens: [TokenID], _ reason: Answer.StopReason,
        _ statistics: GenerationStatistics
    ) -> Answer {
        var statistics = statistics
        statistics.generatedTokens = tokens.count
        statistics.cacheRows = cache.rowCount
        statistics.cacheBytes =
            cache.rowCount
            * KeyValueCache.bytesPerRow(model.decoder.config, format: cacheFormat)
        return Answer(text: text, tokens: tokens, stopReason: reason, statistics: statistics)
    }

    /// Runs rows at the sequence's next positions; returns the scores after the last one.
    private func run(
        _ hidden: Activations, _ cancellation: Cancellation,
        onProgress: (Double) -> Void = { _ in }
    ) throws(GenerationError) -> Activations {
        try modelled { () throws(ModelError) in
            try model.decoder.run(
                hidden, at: positions(of: hidden.rows), cache: cache, cancellation: cancellation,
                onProgress: onProgress)
            return try model.decoder.logits(hidden.copy(rows: (hidden.rows - 1)..<hidden.rows))
        }
    }

    private func positions(of count: Int) -> [Int32] {
        (cache.rowCount..<(cache.rowCount + count)).map { Int32($0) }
    }

    /// The scores of the tokens that the tokenizer knows.
    private func scores(_ logits: Activations) -> UnsafeBufferPointer<Float> {
        UnsafeBufferPointer(start: logits.values, count: tokenizer.vocabularySize)
    }

    /// What `body` returns; when it throws, the sequence is as before.
    private func undoneOnFailure<Result>(
        _ body: () throws(GenerationError) -> Result
    ) throws(GenerationError) -> Result {
        let (rowCount, tokenCount) = (cache.rowCount, sequence.count)
        do {
            return try body()
        } catch {
            cache.truncate(to: rowCount)
            sequence.removeLast(sequence.count - tokenCount)
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

    private func modelled<Result>(
        _ body: () throws(ModelError) -> Result
    ) throws(GenerationError) -> Result {
        do { return try body() } catch { throw .model(error) }
    }
}
