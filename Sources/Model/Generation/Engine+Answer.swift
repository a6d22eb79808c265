// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Synchronization
import Weights

extension Engine {
    /// The longest time until a request that waits for its turn hears that it is cancelled.
    private static let cancellationInterval = DispatchTimeInterval.milliseconds(100)

    /// Answers a request while this thread waits.
    ///
    /// - Parameters:
    ///   - cancellation: ends the request, like `cancel`.
    ///   - onEvent: called on this thread, in order; the engine does not wait for it.
    /// - Throws: `GenerationError`.
    package func answer(
        _ request: Request, cancellation: Cancellation = Cancellation(),
        onEvent: (Event) -> Void = { _ in }
    ) throws(GenerationError) -> Answer {
        let mailbox = Mailbox()
        let id = try submit(
            request, cancellation: cancellation, onEvent: { mailbox.put(.event($0)) },
            onEnd: { mailbox.put(.end($0)) })
        while true {
            switch mailbox.take(before: .now() + Self.cancellationInterval) {
            case .event(let event): onEvent(event)
            case .end(let result): return try result.get()
            case nil: if cancellation.isCancelled { cancel(id) }
            }
        }
    }
}

/// What an engine tells a thread that waits, in order.
private final class Mailbox: Sendable {
    enum Letter: Sendable {
        case event(Engine.Event)
        case end(Result<Answer, GenerationError>)
    }

    private let letters = Mutex<[Letter]>([])
    private let filled = DispatchSemaphore(value: 0)

    func put(_ letter: Letter) {
        letters.withLock { $0.append(letter) }
        filled.signal()
    }

    /// The next letter; nil if none comes in time.
    func take(before end: DispatchTime) -> Letter? {
        guard filled.wait(timeout: end) == .success else { return nil }
        return letters.withLock { $0.removeFirst() }
    }
}
