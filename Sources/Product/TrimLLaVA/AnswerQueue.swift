// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Families
import Generation
import Synchronization

/// Answers many requests on an engine of its own, many at a time.
///
/// Requests are made one by one, no more than the engine loads or works on, so the pictures that wait take little
/// memory. A queue belongs to one thread at a time.
package final class AnswerQueue {
    /// What became of a request.
    package typealias Outcome = Result<Answer, GenerationError>

    /// The longest time between two reports of progress.
    private static let interval = DispatchTimeInterval.milliseconds(100)
    /// Stands for the number of a request that the engine did not take.
    private static let refused = -1

    private let engine: Engine
    private let mailbox = Mailbox()
    /// The engine's numbers of the requests that have not ended, by their own.
    private var open: [Int: Int] = [:]
    private var nextNumber = 0

    /// A queue on an engine that nobody else uses.
    init(_ engine: Engine) { self.engine = engine }

    deinit { engine.close() }

    /// How busy the engine is, and what it has spent its time on.
    package var status: Engine.Status { engine.status }

    /// Answers requests until there are no more.
    ///
    /// - Parameters:
    ///   - isFinishing: whether only requests in progress should still be answered; those that wait are dropped.
    ///   - cancellation: drops all requests at once.
    ///   - next: makes the next request, and says what it is about; nil when there are no more.
    ///   - onOutcome: called with what a request is about and its outcome, as it comes, unless it is dropped.
    ///   - onProgress: called after every outcome, and several times a second.
    /// - Throws: what `next` and `onOutcome` throw; all other requests are then dropped.
    package func run<Subject, Failure: Error>(
        isFinishing: () -> Bool = { false }, cancellation: Cancellation,
        next: () throws(Failure) -> (Subject, Engine.Request)?,
        onOutcome: (Subject, Outcome) throws(Failure) -> Void, onProgress: () -> Void
    ) throws(Failure) {
        defer { dropAll() }
        var subjects: [Int: Subject] = [:]
        var hasMore = true
        while !cancellation.isCancelled {
            if isFinishing() {
                hasMore = false
                dropWaiting()
            }
            while hasMore, open.count < engine.mostActive {
                guard let (subject, request) = try next() else {
                    hasMore = false
                    break
                }
                subjects[submit(request)] = subject
            }
            if open.isEmpty { return }
            if let (number, outcome) = nextOutcome(before: .now() + Self.interval),
                let subject = subjects.removeValue(forKey: number), !outcome.isDropped,
                !cancellation.isCancelled
            {
                try onOutcome(subject, outcome)
            }
            onProgress()
        }
    }

    /// Hands a request to the engine, and returns its number.
    private func submit(_ request: Engine.Request) -> Int {
        let number = nextNumber
        nextNumber += 1
        open[number] = Self.refused
        do {
            open[number] = try engine.submit(
                request,
                onEvent: { [mailbox] event in
                    switch event {
                    case .encoding, .reading: mailbox.begin(number)
                    case .queued, .text, .finished: break
                    }
                }, onEnd: { [mailbox] in mailbox.put(number, $0) })
        } catch {
            mailbox.put(number, .failure(error))
        }
        return number
    }

    private func nextOutcome(before end: DispatchTime) -> (Int, Outcome)? {
        guard let (number, outcome) = mailbox.take(before: end) else { return nil }
        open[number] = nil
        return (number, outcome)
    }

    /// Drops the requests that the engine has not begun to work on.
    private func dropWaiting() {
        for (number, id) in open where !mailbox.hasBegun(number) { engine.cancel(id) }
    }

    /// Drops all requests, and returns when the engine has let go of them.
    private func dropAll() {
        for id in open.values { engine.cancel(id) }
        while !open.isEmpty { _ = nextOutcome(before: .distantFuture) }
    }
}

/// What the engine's threads tell about requests.
private final class Mailbox: Sendable {
    private struct Content {
        var begun: Set<Int> = []
        var outcomes: [(Int, AnswerQueue.Outcome)] = []
    }

    private let content = Mutex(Content())
    private let filled = DispatchSemaphore(value: 0)

    func begin(_ number: Int) { content.withLock { _ = $0.begun.insert(number) } }

    func hasBegun(_ number: Int) -> Bool { content.withLock { $0.begun.contains(number) } }

    func put(_ number: Int, _ outcome: AnswerQueue.Outcome) {
        content.withLock { content in
            content.begun.remove(number)
            content.outcomes.append((number, outcome))
        }
        filled.signal()
    }

    func take(before end: DispatchTime) -> (Int, AnswerQueue.Outcome)? {
        guard filled.wait(timeout: end) == .success else { return nil }
        return content.withLock { $0.outcomes.removeFirst() }
    }
}

extension AnswerQueue.Outcome {
    /// Whether the request was dropped before its answer was whole.
    fileprivate var isDropped: Bool {
        switch self {
        case .success(let answer): answer.stopReason == .cancelled
        case .failure(let error): error == .model(.cancelled)
        }
    }
}

extension LLaVA {
    /// A queue that answers many requests.
    ///
    /// - Parameters:
    ///   - parallel: the most answers that are generated at the same time.
    ///   - cacheRows: rows of the KV cache of all of them together.
    ///   - sharedPictures: the most pictures that several requests in a row ask about, which are encoded once for all.
    ///   - encodingThreads: extra threads that encode pictures; with 0 the model's do.
    /// - Throws: `LLaVAError`.
    package func answers(
        parallel: Int, cacheRows: Int, sharedPictures: Int = 0, encodingThreads: Int = 0
    ) throws(LLaVAError) -> AnswerQueue {
        var options = Engine.Options(
            parallel: parallel, cacheRows: cacheRows, cacheFormat: cacheFormat, mostQueued: .max,
            // Those of the requests before and after, too.
            pictureCacheBytes: 3 * sharedPictures * model.largestEncodedPictureBytes)
        options.encodingThreads = encodingThreads
        do {
            return AnswerQueue(
                try Engine(model: model, tokenizer: tokenizer, options: options))
        } catch {
            throw LLaVAError(error)
        }
    }
}

extension LLaVAModel {
    /// The bytes of the largest picture after the vision tower and the projector.
    fileprivate var largestEncodedPictureBytes: Int {
        guard let encoder = try? pictureEncoder else { return 0 }
        return (encoder.largestPlans.map(\.cellCount).max() ?? 0) * encoder.bytesPerCell
    }
}
