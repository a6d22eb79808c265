// SPDX-License-Identifier: Apache-2.0
import Imaging
import LLaVAModel
import TensorOps
import TokenPruning
import Tokenization

/// Answers many prompts at once: those that are live decode in one step, and a new one enters as soon as
/// one ends.
///
/// An answer is, bit for bit, what `GenerationSession` gives for the same prompt alone. A generator
/// belongs to one thread at a time.
public final class BatchGenerator {
    /// A prompt with its pictures.
    public struct Request {
        /// What the answer is known by.
        public let id: Int
        /// The prompt.
        public let prompt: [PromptPiece]
        /// The tiles of every picture that the prompt refers to, unless they are encoded.
        public let pictures: [TileBatch]
        /// Every picture that the prompt refers to, where that was done before.
        public let encoded: [EncodedPicture]
        /// The question as typed, for selectors of visual tokens that look at it.
        public let question: [TokenID]
        /// How its answer is generated.
        public let options: GenerationOptions

        /// A prompt with its pictures' tiles.
        public init(
            id: Int, prompt: [PromptPiece], pictures: [TileBatch], question: [TokenID] = [],
            options: GenerationOptions
        ) {
            self.id = id
            self.prompt = prompt
            self.pictures = pictures
            encoded = []
            self.question = question
            self.options = options
        }

        /// A prompt with pictures that were encoded for all that its selector looks at.
        public init(
            id: Int, prompt: [PromptPiece], encoded: [EncodedPicture], question: [TokenID] = [],
            options: GenerationOptions
        ) {
            self.id = id
            self.prompt = prompt
            pictures = []
            self.encoded = encoded
            self.question = question
            self.options = options
        }
    }

    /// What became of a request.
    public struct Outcome {
        /// The request's.
        public let id: Int
        /// The answer, or why there is none.
        public let result: Result<Answer, GenerationError>
    }

    /// A request whose pictures are encoded.
    private struct Encoded {
        let request: Request
        let visual: [VisualEncoder.Result]
        let plan: PromptPlan
        let statistics: GenerationStatistics
        var selections: [PictureSelection] { visual.map(\.selection) }
    }

    /// An answer on its way.
    private struct Live {
        let id: Int
        let answer: AnswerInProgress
        let start: ContinuousClock.Instant
        var firstToken: ContinuousClock.Instant?
    }

    /// Most rows of prompts that a step reads.
    public static let promptRowsPerStep = PrefillScheduler.rowsPerBatch
    /// The most answers that are generated at the same time.
    public let parallel: Int
    /// The KV cache of all of them.
    public let pool: CachePagePool

    private let model: LLaVAModel
    private let tokenizer: Tokenizer
    private let scheduler: PrefillScheduler
    private var prefix: SharedPrefix?
    /// The text that the last prompt started with.
    private var previousStart: [TokenID] = []
    private var live: [Live] = []
    /// Encoded, but there were no pages for it yet.
    private var waiting: Encoded?
    private var outcomes: [Outcome] = []

    /// A generator for up to `parallel` answers, whose rows fit `cacheRows` rows in all.
    ///
    /// - Throws: `GenerationError`.
    public init(
        model: LLaVAModel, tokenizer: Tokenizer, cacheFormat: CacheFormat = .f16, parallel: Int,
        cacheRows: Int
    ) throws(GenerationError) {
        precondition(parallel >= 1)
        try model.check(tokenizer)
        self.model = model
        self.tokenizer = tokenizer
        self.parallel = parallel
        pool = try modelled { () throws(ModelError) in
            try CachePagePool(model.decoder.config, rows: cacheRows, format: cacheFormat)
        }
        scheduler = PrefillScheduler(model.decoder)
    }

    /// Requests that are neither answered nor refused.
    public var count: Int { live.count + (waiting == nil ? 0 : 1) }
    /// Whether one more request may start.
    public var hasRoom: Bool { waiting == nil && live.count < parallel }

    /// Encodes a request's pictures and queues its rows; a request that cannot be answered becomes an
    /// outcome of the next step.
    ///
    /// - Throws: `GenerationError.model(.cancelled)`; the request is then as if it had never come.
    public func start(
        _ request: Request, cancellation: Cancellation = Cancellation()
    ) throws(GenerationError) {
        precondition(hasRoom)
        do {
            admit(try encode(request, cancellation))
        } catch .model(.cancelled) {
            throw .model(.cancelled)
        } catch {
            outcomes.append(Outcome(id: request.id, result: .failure(error)))
        }
    }

    /// Takes every live answer one step on: prompts by some rows, the others by one token.
    ///
    /// - Returns: what has come to an end.
    /// - Throws: `GenerationError.model(.cancelled)`; all answers are then as before.
    public func step(
        cancellation: Cancellation = Cancellation()
    ) throws(GenerationError) -> [Outcome] {
        if let encoded = waiting {
            waiting = nil
            admit(encoded)
        }
        if !live.isEmpty { try runBatch(cancellation) }
        for index in live.indices where live[index].firstToken == nil {
            if live[index].answer.hasStarted { live[index].firstToken = .now }
        }
        for entry in live where entry.answer.stopReason != nil { finish(entry) }
        live.removeAll { $0.answer.stopReason != nil }
        defer { outcomes.removeAll() }
        return outcomes
    }

    private func runBatch(_ cancellation: Cancellation) throws(GenerationError) {
        var failures: [(AnswerInProgress, ModelError)] = []
        do {
            try scheduler.step(
                live.map(\.answer), cancellation: cancellation,
                onError: { failures.append(($0, $1)) })
        } catch .cancelled {
            throw .model(.cancelled)
        } catch {
            // None is left that could go on.
            failures = live.map { ($0.answer, error) }
        }
        for (answer, error) in failures {
            guard let index = live.firstIndex(where: { $0.answer === answer }) else { continue }
            outcomes.append(Outcome(id: live[index].id, result: .failure(.model(error))))
            live.remove(at: index)
        }
    }

    private func finish(_ entry: Live) {
        var answer = entry.answer.finish()
        let firstToken = entry.firstToken ?? .now
        answer.statistics.prefillSeconds = (firstToken - entry.start) / .seconds(1)
        answer.statistics.decodeSeconds = (ContinuousClock.now - firstToken) / .seconds(1)
        outcomes.append(Outcome(id: entry.id, result: .success(answer)))
    }

    private func encode(
        _ request: Request, _ cancellation: Cancellation
    ) throws(GenerationError) -> Encoded {
        try request.options.validate()
        _ = try PromptPlan(
            request.prompt, largest: request.layouts(model), after: 0,
            from: 0,
            request.options, model)
        let encoder = try VisualEncoder(
            model, pruning: request.options.pruning, question: request.question,
            cancellation: cancellation)
        var (statistics, projected) = (
            GenerationStatistics(), request.encoded.map(\.projected)
        )
        for tiles in request.pictures {
            projected.append(try encoder.project(tiles, &statistics, onProgress: { _ in }))
        }
        let visual = try encoder.select(projected, &statistics)
        let plan = try PromptPlan(
            request.prompt, visual.map(\.selection), after: 0, from: 0, request.options, model)
        return Encoded(request: request, visual: visual, plan: plan, statistics: statistics)
    }

    /// Starts an answer if there are pages for all the rows that it may need, or lets it wait.
    private func admit(_ encoded: Encoded) {
        let (request, layout) = (encoded.request, encoded.plan.layout)
        let rows = min(model.context, layout.rowCount + request.options.maxNewTokens)
        do {
            let cache = try cache(for: layout, rows: rows)
            var pending = PendingRows()
            pending.append(encoded.plan, from: 0, encoded.visual)
            pending.skip(cache.rowCount)
            let answer = AnswerInProgress(
                model, tokenizer, cache, SequenceState(tokens: layout.tokens), pending,
                request.options, encoded.selections,
                GenerationStatistics(encoded.statistics, encoded.plan, encoded.selections))
            live.append(Live(id: request.id, answer: answer, start: .now))
        } catch {
            if case .outOfCachePages = error, !live.isEmpty {
                waiting = encoded
            } else {
                outcomes.append(Outcome(id: request.id, result: .failure(.model(error))))
            }
        }
    }

    /// Pages for a prompt and its answer, what others have started with included.
    private func cache(
        for layout: PromptLayout, rows: Int
    ) throws(ModelError) -> KeyValueCache {
        do {
            if let prefix = try sharedPrefix(of: layout) {
                return try KeyValueCache(continuing: prefix.cache, rows: rows)
            }
        } catch {
            guard case .outOfCachePages = error, live.isEmpty else { throw error }
            // Nobody will give pages back, but what is kept for sharing.
            prefix = nil
        }
        return try KeyValueCache(pool, rows: rows)
    }

    /// What the prompt starts with and others have started with, in the cache; nil where there is nothing
    /// to share.
    private func sharedPrefix(of layout: PromptLayout) throws(ModelError) -> SharedPrefix? {
        // The last row must run, for its scores.
        let start = Array(
            layout.tokens.dropLast().prefix { $0 != PromptLayout.visualToken })
        defer { previousStart = start }
        if let prefix, start.starts(with: prefix.tokens) { return prefix }
        // The text before a first picture is likely to come again, any other text when it has.
        let isTemplate = prefix == nil && layout.visualRowCount > 0
        let common =
            isTemplate
            ? start : zip(start, previousStart).prefix { $0 == $1 }.map(\.0)
        guard common.count >= CachePageLayout.tokens else { return nil }
        prefix = nil
        let cache = try KeyValueCache(pool, rows: common.count)
        try scheduler.run(common, into: cache)
        let made = SharedPrefix(tokens: common, cache: cache)
        prefix = made
        return made
    }
}

extension BatchGenerator.Request {
    fileprivate func layouts(_ model: LLaVAModel) -> [VisualTokenLayout] {
        encoded.map(\.projected.layout) + pictures.map { model.layout($0.geometry) }
    }
}

/// Rows that many prompts start with.
private struct SharedPrefix {
    let tokens: [TokenID]
    let cache: KeyValueCache
}
