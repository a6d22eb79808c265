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
    let items: AsyncStream<Item>
    /// The number of choices.
    let count: Int

    private let engine: Engine
    private let tickets: [Int]
    private let tasks: [Task<Void, Never>]
    private let reason = Mutex<APIError?>(nil)

    /// Asks an engine for all choices, or for none of them.
    ///
    /// - Throws: `APIError` when too many requests wait.
    init(
        _ request: Engine.Request, choices: Int, by engine: Engine, pings: Bool
    ) throws(APIError) {
        self.engine = engine
        count = choices
        var submitted: [Engine.Ticket] = []
        do {
            for choice in 0..<choices {
                submitted.append(try engine.submit(request.choice(choice)))
            }
        } catch {
            for ticket in submitted { engine.cancel(ticket.id) }
            throw APIError(.generation(error))
        }
        tickets = submitted.map(\.id)
        let (items, passing) = AsyncStream.makeStream(of: Item.self)
        self.items = items
        let left = Countdown(choices) { passing.finish() }
        var tasks = submitted.enumerated().map { choice, ticket in
            Task {
                do {
                    for try await event in ticket.events {
                        passing.yield(.event(choice: choice, event))
                    }
                } catch {
                    passing.yield(.failed(choice: choice, LLaVAError(error)))
                }
                left.count()
            }
        }
        if pings {
            tasks.append(
                Task {
                    while (try? await Task.sleep(for: Self.patience)) != nil {
                        passing.yield(.silence)
                    }
                })
        }
        self.tasks = tasks
    }

    /// Silence after which proxies and clients may think that nobody is there.
    private static let patience = Duration.seconds(5)

    /// Ends all choices: those that have begun finish with what there is.
    ///
    /// - Parameter reason: what the others fail with; nil where nobody waits for them.
    func cancel(_ reason: APIError? = nil) {
        if let reason { self.reason.withLock { $0 = $0 ?? reason } }
        for ticket in tickets { engine.cancel(ticket) }
    }

    /// Why they were cancelled.
    var cancellationReason: APIError? { reason.withLock { $0 } }

    deinit {
        cancel()
        for task in tasks { task.cancel() }
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
