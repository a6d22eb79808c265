// SPDX-License-Identifier: Apache-2.0
import Decoder
import Families
import TensorOps
import TokenPruning
import Tokenization
import Weights

/// Answers many prompts at once: those that are live decode in one step, and a new one enters as soon as
/// one ends.
///
/// An answer is, bit for bit, what it is for the same prompt alone. A generator belongs to one thread at a time.
public final class BatchGenerator {
    /// An answer on its way.
    private struct Live {
        let selected: SelectedRequest
        let answer: AnswerInProgress
        let start: ContinuousClock.Instant
        let rows: Int
        var firstToken: ContinuousClock.Instant?
        /// Seconds that the output matrix took in the answer's steps.
        var outputSeconds = 0.0

        var id: Int { selected.request.id }
        var isStreaming: Bool { selected.request.isStreamed && answer.hasStarted }
    }

    /// Most rows of prompts that a step reads.
    public static let promptRowsPerStep = PrefillScheduler.rowsPerBatch
    /// Encoded requests that wait for pages; their pictures take memory.
    private static let mostSelected = 2
    /// How often a request that waits for pages lets smaller ones pass.
    private static let mostOvertaken = 8

    /// The most answers that are generated at the same time.
    public let parallel: Int
    /// The KV cache of all of them.
    public let pool: CachePagePool
    /// Encoded pictures that further questions may be asked about.
    public let pictures: EncodedPictureCache
    /// Seconds in vision tower, projector and selection.
    public private(set) var encodingSeconds = 0.0

    private let model: LLaVAModel
    private let tokenizer: Tokenizer
    private let scheduler: PrefillScheduler
    private let starts: PromptStarts
    private var pace: StepPace
    /// In the order in which they came.
    private var queue: [RequestInEncoding] = []
    /// Encoded; there were no pages for them yet.
    private var selected: [SelectedRequest] = []
    private var live: [Live] = []
    private var outcomes: [Outcome] = []

    /// A generator for up to `parallel` answers, whose rows fit `cacheRows` rows in all.
    ///
    /// - Parameters:
    ///   - longestPause: the seconds that should pass at most between two tokens of an answer that is
    ///     streamed, while others come in.
    ///   - pictures: keeps encoded pictures that have a key.
    /// - Throws: `GenerationError`.
    public init(
        model: LLaVAModel, tokenizer: Tokenizer, cacheFormat: CacheFormat = .f16, parallel: Int,
        cacheRows: Int, longestPause: Double = 0.5,
        pictures: EncodedPictureCache = EncodedPictureCache(budget: 0)
    ) throws(GenerationError) {
        precondition(parallel >= 1)
        try model.check(tokenizer)
        self.model = model
        self.tokenizer = tokenizer
        self.parallel = parallel
        self.pictures = pictures
        pace = StepPace(longestPause: longestPause)
        pool = try modelled { () throws(ModelError) in
            try CachePagePool(model.decoder.config, rows: cacheRows, format: cacheFormat)
        }
        scheduler = PrefillScheduler(model.decoder)
        starts = PromptStarts(model, pool, scheduler, isShared: parallel > 1)
    }

    /// Requests that are neither answered nor refused.
    public var count: Int { queue.count + selected.count + live.count }
    /// Answers that are being generated.
    public var liveCount: Int { live.count }
    /// Whether one more request would not wait for the end of another.
    public var hasRoom: Bool { count < parallel }
    /// Whether a step would do nothing.
    public var isIdle: Bool { count == 0 && outcomes.isEmpty }

    /// Queues a request; one that cannot be answered becomes an outcome of the next step.
    ///
    /// - Parameters:
    ///   - cancellation: ends this request alone, at the next slice or step. An answer that has begun is then cut
    ///     short; a request before its first token fails.
    ///   - onEvent: called on the thread that calls `step`.
    /// - Throws: `GenerationError.model(.cancelled)`; the request is then as if it had never come.
    public func start(
        _ request: Request, cancellation: Cancellation = Cancellation(),
        onEvent: @escaping (Event) -> Void = { _ in }
    ) throws(GenerationError) {
        try start(request, cancellation: cancellation, RequestObserver(onEvent: onEvent))
    }

    /// Queues a request.
    ///
    /// - Throws: `GenerationError.model(.cancelled)`.
    func start(
        _ request: Request, cancellation: Cancellation, _ observer: RequestObserver
    ) throws(GenerationError) {
        guard !cancellation.isCancelled else { throw .model(.cancelled) }
        do {
            queue.append(try RequestInEncoding(request, model, pictures, cancellation, observer))
        } catch {
            outcomes.append(Outcome(id: request.id, result: .failure(error)))
        }
    }

    /// Takes every request one step on: pictures by some slices, prompts by some rows, answers by one token.
    ///
    /// - Returns: what has come to an end.
    /// - Throws: `GenerationError.model(.cancelled)`; all answers are then as before.
    public func step(
        cancellation: Cancellation = Cancellation()
    ) throws(GenerationError) -> [Outcome] {
        guard !cancellation.isCancelled else { throw .model(.cancelled) }
        let start = ContinuousClock.now
        dropCancelled()
        admitSelected(cancellation)
        try encode(cancellation)
        let encoding = (ContinuousClock.now - start) / .seconds(1)
        encodingSeconds += encoding
        if !live.isEmpty { try runBatch(cancellation, after: encoding) }
        for index in live.indices where live[index].firstToken == nil {
            if live[index].answer.hasStarted { live[index].firstToken = .now }
        }
        for entry in live where entry.answer.stopReason != nil { finish(entry) }
        live.removeAll { $0.answer.stopReason != nil }
        defer { outcomes.removeAll() }
        return outcomes
    }

    // MARK: Encoding

    /// Encodes the pictures of those who have come first, as long as there is room for them and nobody who reads
    /// an answer waits too long.
    private func encode(_ cancellation: Cancellation) throws(GenerationError) {
        let start = ContinuousClock.now
        let isStreaming = live.contains(where: \.isStreaming)
        let besidePrompts = live.contains { $0.answer.pending.count > 1 }
        var slices = 0
        while let next = queue.first, selected.count < Self.mostSelected,
            live.count + selected.count < parallel
        {
            guard !cancellation.isCancelled else { throw .model(.cancelled) }
            let before = ContinuousClock.now
            let seconds = (before - start) / .seconds(1)
            if isStreaming, slices > 0, !next.isDone,
                !pace.allowsSlice(after: seconds, besidePrompts: besidePrompts)
            {
                return
            }
            do {
                try modelled { () throws(ModelError) in try next.cancellation.check() }
                if next.isDone {
                    selected.append(try next.selected())
                    queue.removeFirst()
                    admitSelected(cancellation)
                } else {
                    try next.runSlice()
                    slices += 1
                    pace.measuredSlice((ContinuousClock.now - before) / .seconds(1))
                }
            } catch {
                queue.removeFirst()
                outcomes.append(Outcome(id: next.request.id, result: .failure(error)))
            }
        }
    }

    // MARK: Admission

    /// Starts the answers for whose rows there are pages; later requests pass one for which there are none a few
    /// times.
    private func admitSelected(_ cancellation: Cancellation) {
        var index = 0
        while index < selected.count, live.count < parallel {
            if admit(selected[index], cancellation) {
                selected.remove(at: index)
                for earlier in 0..<index { selected[earlier].timesOvertaken += 1 }
            } else if selected[index].timesOvertaken < Self.mostOvertaken {
                index += 1
            } else {
                return
            }
        }
    }

    /// Starts an answer if there are pages for all the rows that it may need; false where it has to wait.
    private func admit(_ request: SelectedRequest, _ cancellation: Cancellation) -> Bool {
        let begin = ContinuousClock.now
        let (options, layout) = (request.request.options, request.plan.layout)
        // A plan leaves room in the context.
        let rows = layout.rowCount + min(options.maxNewTokens, model.context - layout.rowCount)
        do {
            let start = try starts.start(
                of: request, rows: rows, isAlone: live.isEmpty, cancellation)
            guard let start else { return false }
            var pending = PendingRows()
            pending.append(request.plan, request.visual)
            let (onEvent, recorder) = (request.observer.onEvent, request.observer.recorder)
            onEvent(.reading(done: 0))
            pending.record(
                recorder, from: min(start.earlierRows, request.request.saidRows),
                onGrid: model.decoder.config.placesRowsOnGrid)
            pending.skip(start.cache.rowCount)
            var statistics = GenerationStatistics(
                request.statistics, request.plan, request.selections)
            statistics.storedRows = start.storedRows
            statistics.sharedRows = start.sharedRows
            let answer = AnswerInProgress(
                model, tokenizer, start.cache, SequenceState(tokens: layout.tokens), pending,
                options, request.selections, statistics, recorder: recorder,
                onText: { onEvent(.text($0)) })
            live.append(
                Live(selected: request, answer: answer, start: begin, rows: pending.count))
        } catch {
            outcomes.append(Outcome(id: request.request.id, result: .failure(.model(error))))
        }
        return true
    }

    // MARK: Decoding

    private func runBatch(
        _ cancellation: Cancellation, after seconds: Double
    ) throws(GenerationError) {
        let (start, outputBefore) = (ContinuousClock.now, scheduler.outputSeconds)
        let isStreaming = live.contains(where: \.isStreaming)
        let all = Cancellation(cancellation, orAll: live.map(\.selected.cancellation))
        var failures: [(AnswerInProgress, ModelError)] = []
        do {
            try scheduler.step(
                live.map(\.answer),
                promptRows: isStreaming ? pace.promptRows(after: seconds) : nil,
                cancellation: all, onProgress: reportReading,
                onError: { failures.append(($0, $1)) })
        } catch .cancelled {
            if cancellation.isCancelled { throw .model(.cancelled) }
            return dropCancelled()
        } catch {
            // None is left that could go on.
            failures = live.map { ($0.answer, error) }
        }
        pace.measuredBatch(
            (ContinuousClock.now - start) / .seconds(1), promptRows: scheduler.promptRowCount)
        for (answer, error) in failures {
            guard let index = live.firstIndex(where: { $0.answer === answer }) else { continue }
            outcomes.append(Outcome(id: live[index].id, result: .failure(.model(error))))
            live.remove(at: index)
        }
        let output = scheduler.outputSeconds - outputBefore
        for index in live.indices { live[index].outputSeconds += output }
        reportReading(1)
    }

    /// Tells those whose prompts are being read how far they are, `done` of this step included.
    private func reportReading(_ done: Double) {
        for entry in live where !entry.answer.hasStarted {
            let left = Double(entry.answer.pending.count)
            // What is in the batch no longer counts as pending.
            let inBatch = done < 1 ? (1 - done) * Double(scheduler.rowCount(of: entry.answer)) : 0
            let rows = Double(max(1, entry.rows))
            entry.selected.observer.onEvent(.reading(done: (rows - left - inBatch) / rows))
        }
    }

    private func finish(_ entry: Live) {
        var answer = entry.answer.finish()
        let firstToken = entry.firstToken ?? .now
        answer.statistics.prefillSeconds = (firstToken - entry.start) / .seconds(1)
        answer.statistics.decodeSeconds = (ContinuousClock.now - firstToken) / .seconds(1)
        answer.statistics.outputSeconds = entry.outputSeconds
        outcomes.append(Outcome(id: entry.id, result: .success(answer)))
        if entry.selected.request.isContinued { keep(entry) }
    }

    /// Keeps the rows of a prompt and its answer for those who continue them.
    private func keep(_ entry: Live) {
        let (cache, plan) = (entry.answer.cache, entry.selected.plan)
        let prompt = plan.layout.rowCount
        guard cache.rowCount >= prompt else { return }
        let answered = entry.answer.sequence.tokens[prompt..<cache.rowCount].enumerated().map {
            RowIdentity(content: .token($1), position: Position(plan.placed.count + $0))
        }
        cache.endGrowth()
        starts.keep(entry.selected.rowIdentities + answered, cache)
    }

    /// Gives back the pages that are kept for those who start with the same rows.
    public func dropPrefixes() { starts.drop() }

    // MARK: Cancellation

    /// Ends the requests that were cancelled: answers that have begun are cut short.
    private func dropCancelled() {
        func fail(_ request: Request) {
            outcomes.append(Outcome(id: request.id, result: .failure(.model(.cancelled))))
        }
        removeCancelled(from: &queue, \.cancellation).forEach { fail($0.request) }
        removeCancelled(from: &selected, \.cancellation).forEach { fail($0.request) }
        for entry in removeCancelled(from: &live, \.selected.cancellation) {
            guard entry.answer.hasStarted else {
                fail(entry.selected.request)
                continue
            }
            if entry.answer.stopReason == nil { entry.answer.stop(.cancelled) }
            finish(entry)
        }
    }
}

/// Removes the entries that are cancelled, and returns them.
///
/// Each is asked once: other threads cancel at any moment, and who was asked twice could be removed and not returned.
private func removeCancelled<Entry>(
    from entries: inout [Entry], _ cancellation: KeyPath<Entry, Cancellation>
) -> [Entry] {
    let isCancelled = entries.map { $0[keyPath: cancellation].isCancelled }
    guard isCancelled.contains(true) else { return [] }
    let all = zip(entries, isCancelled)
    entries = all.compactMap { $1 ? nil : $0 }
    return all.compactMap { $1 ? $0 : nil }
}
