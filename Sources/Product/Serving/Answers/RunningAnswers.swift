// SPDX-License-Identifier: Apache-2.0
import Generation
import Synchronization
import TrimLLaVA

/// The answers to one request, one for each choice, on their way.
///
/// They are cancelled when nobody holds them any more.
final class RunningAnswers: Sendable {
    /// What happens, in the order in which it does.
    enum Item: Sendable {
        /// Something happens to a choice.
        case event(choice: Int, Engine.Event)
        /// A choice failed.
        case failed(choice: Int, LLaVAError)
        /// Nothing has happened for a while.
        case silence
    }

    /// The items; they end when every choice has.
    let items: ItemQueue
    /// The number of choices.
    let count: Int

    private let engine: Engine
    /// What the engine cancels the choices by.
    private let ids: [Int]
    /// Tells of silence.
    private let pinging: Task<Void, Never>?
    private let reason = Mutex<APIError?>(nil)

    /// Asks an engine for all choices, or for none of them.
    ///
    /// - Throws: `APIError` when too many requests wait.
    init(
        _ request: Engine.Request, choices: Int, by engine: Engine, pings: Bool
    ) throws(APIError) {
        self.engine = engine
        count = choices
        let items = ItemQueue()
        self.items = items
        let left = Countdown(choices) { items.finish() }
        var submitted: [Int] = []
        do {
            for choice in 0..<choices {
                let id = try engine.submit(request.choice(choice)) { event in
                    items.append(.event(choice: choice, event))
                } onEnd: { result in
                    if case .failure(let error) = result {
                        items.append(.failed(choice: choice, LLaVAError(error)))
                    }
                    left.count()
                }
                submitted.append(id)
            }
        } catch {
            for id in submitted { engine.cancel(id) }
            throw APIError(.generation(error))
        }
        ids = submitted
        pinging =
            pings
            ? Task {
                while (try? await Task.sleep(for: Self.patience)) != nil { items.append(.silence) }
            } : nil
    }

    /// Silence after which proxies and clients may think that nobody is there.
    private static let patience = Duration.seconds(5)

    /// Ends all choices: those that have begun finish with what there is.
    ///
    /// - Parameter reason: what the others fail with; nil where nobody waits for them.
    func cancel(_ reason: APIError? = nil) {
        if let reason { self.reason.withLock { $0 = $0 ?? reason } }
        for id in ids { engine.cancel(id) }
    }

    /// Why they were cancelled.
    var cancellationReason: APIError? { reason.withLock { $0 } }

    deinit {
        cancel()
        pinging?.cancel()
    }
}

/// Items on their way from the engine's threads to the one task that waits for them.
///
/// Whoever is slower than the engine takes all that have come at once.
final class ItemQueue: Sendable {
    private let waiting = Mutex<[RunningAnswers.Item]>([])
    /// Has an element when items wait.
    private let filled: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation

    fileprivate init() {
        (filled, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    fileprivate func append(_ item: RunningAnswers.Item) {
        let wasEmpty = waiting.withLock { waiting in
            defer { waiting.append(item) }
            return waiting.isEmpty
        }
        if wasEmpty { signal.yield() }
    }

    /// No more items come.
    fileprivate func finish() { signal.finish() }

    /// Calls a closure with the items that have come, in order, until the last.
    func forEachBatch(_ body: ([RunningAnswers.Item]) async throws -> Void) async throws {
        for await _ in filled {
            let items = waiting.withLock { waiting in
                defer { waiting = [] }
                return waiting
            }
            try await body(items)
        }
    }
}

extension Engine.Request {
    /// The same request with random numbers of its own.
    fileprivate func choice(_ index: Int) -> Engine.Request {
        var request = self
        if let seed = options.sampling.seed {
            request.options.sampling.seed = seed &+ UInt64(index)
        }
        return request
    }
}

/// Calls a closure when it was counted down to 0.
private final class Countdown: Sendable {
    private let left: Mutex<Int>
    private let atZero: @Sendable () -> Void

    init(_ count: Int, atZero: @escaping @Sendable () -> Void) {
        left = Mutex(count)
        self.atZero = atZero
    }

    func count() {
        let isOver = left.withLock { left in
            left -= 1
            return left == 0
        }
        if isOver { atZero() }
    }
}
