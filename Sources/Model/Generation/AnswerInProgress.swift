// SPDX-License-Identifier: Apache-2.0
import Decoder
import Families
import TensorOps
import Tokenization

/// What a sequence holds: its rows, and the position of the next one.
struct SequenceState {
    /// Every row's token, −1 on visual rows; those beyond the KV cache's rows are pending.
    var tokens: [TokenID] = []
    /// The position of the first pending row, ahead of the number of rows where some were pruned.
    var nextPosition = 0
}

/// A sequence whose answer is being generated.
final class AnswerInProgress {
    /// The sequence's keys and values.
    let cache: KeyValueCache
    /// The sequence's rows, the answer's tokens included.
    var sequence: SequenceState
    /// Rows that go through the decoder next.
    var pending: PendingRows
    /// What the answer has cost so far.
    var statistics: GenerationStatistics
    /// Why the answer ends, when it does.
    private(set) var stopReason: Answer.StopReason?

    /// Whether the first token has been chosen.
    var hasStarted: Bool { stopReason != nil || !tokens.isEmpty }

    private let context: Int
    private let contextLength: Int
    private let tokenizer: Tokenizer
    private let options: GenerationOptions
    private let selections: [PictureSelection]
    private let recorder: StageRecorder?
    private var text: AnswerText
    private var sampler: Sampler
    private var tokens: [TokenID] = []

    /// An answer to the rows that are pending.
    init(
        _ model: LLaVAModel, _ tokenizer: Tokenizer, _ cache: KeyValueCache,
        _ sequence: SequenceState, _ pending: PendingRows, _ options: GenerationOptions,
        _ selections: [PictureSelection], _ statistics: GenerationStatistics,
        recorder: StageRecorder? = nil, onText: @escaping (String) -> Void = { _ in }
    ) {
        self.cache = cache
        self.sequence = sequence
        self.pending = pending
        self.statistics = statistics
        self.tokenizer = tokenizer
        self.options = options
        self.selections = selections
        self.recorder = recorder
        context = cache.capacity
        contextLength = model.decoder.config.contextLength
        text = AnswerText(tokenizer, stops: options.stopStrings, onText)
        sampler = Sampler(
            options.sampling,
            excluding: options.ignoresEndOfSequence || options.minNewTokens > 0
                ? tokenizer.endOfGeneration : [])
    }

    /// Chooses the next token by the scores after the last pending row, which the decoder has run.
    ///
    /// - Parameter logits: one per embedding row; the tokenizer may know fewer tokens.
    func choose(by logits: UnsafeBufferPointer<Float>) {
        sequence.nextPosition = pending.endPosition
        let scores = UnsafeBufferPointer(rebasing: logits.prefix(tokenizer.vocabularySize))
        let token = sampler.next(
            scores, recent: sequence.tokens[...],
            excludes: options.ignoresEndOfSequence || tokens.count < options.minNewTokens)
        recorder?.update { $0.add(logits, chosen: token) }
        guard !tokenizer.endOfGeneration.contains(token) else { return stop(.endOfSequence) }
        tokens.append(token)
        sequence.tokens.append(token)
        text.append(token)
        if text.hasStopped {
            stop(.stopString)
        } else if tokens.count == options.maxNewTokens {
            stop(.length)
        } else if sequence.tokens.count >= context || sequence.nextPosition >= contextLength {
            stop(.context)
        } else {
            pending.append(token, at: sequence.nextPosition)
        }
    }

    /// Ends the answer.
    func stop(_ reason: Answer.StopReason) { stopReason = reason }

    /// The answer, once it has ended.
    func finish() -> Answer {
        let finished = text.finish()
        let pruned = statistics.unprunedVisualRows - statistics.visualRows
        let unprunedPages = CachePageLayout.pageCount(cache.rowCount + pruned)
        statistics.generatedTokens = tokens.count
        statistics.cacheRows = cache.rowCount
        statistics.cacheBytes = cache.pool.byteCount(pages: cache.pageCount)
        statistics.unprunedCacheBytes = cache.pool.byteCount(pages: unprunedPages)
        return Answer(
            text: finished, tokens: tokens, selections: selections,
            stopReason: stopReason ?? .cancelled, statistics: statistics)
    }
}
