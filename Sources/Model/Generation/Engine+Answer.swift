// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Synchronization
import Weights

extension Engine {
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
            for letter in mailbox.take() {
                switch letter {
                case .event(let event): onEvent(event)
                case .end(let result): return try result.get()
                }
            }
            // The engine looks at those that wait for their turn only when it is told.
            if cancellation.isCancelled { cancel(id) }
        }
    }
}

/// What an engine tells a thread that waits, in order.
private final class Mailbox: Sendable {
    enum Letter: Sendable {
        case event(Engine.Event)
        case end(Result<Answer, GenerationError>)

        /// Whether the thread is woken for it.
        ///
        /// That takes time from the model's threads, and progress can wait.
        var isUrgent: Bool {
            if case .event(let event) = self { event.progress == nil } else { true }
        }
    }

    /// The longest wait for letters that are not urgent.
    private static let interval = DispatchTimeInterval.milliseconds(100)

    private let letters = Mutex<[Letter]>([])
    private let filled = DispatchSemaphore(value: 0)

    func put(_ letter: Letter) {
        letters.withLock { $0.append(letter) }
        if letter.isUrgent { filled.signal() }
    }

    /// The letters that have come, after an urgent one or after some time; there may be none.
    func take() -> [Letter] {
        _ = filled.wait(timeout: .now() + Self.interval)
        return letters.withLock { letters in
            defer { letters.removeAll() }
            return letters
        }
    }
}
