// SPDX-License-Identifier: Apache-2.0
import Generation

/// An answer that comes piece by piece.
///
/// ```swift
/// let stream = llava.ask("What is this?", pictures: [.file("cat.jpg")])
/// for try await piece in stream { print(piece, terminator: "") }
/// let answer = try await stream.answer()  // with tokens, times, and why it ended
/// ```
///
/// The work begins when the first piece is asked for, or the answer. It stops when the iteration, or the task that
/// iterates or waits, ends before the answer does. Nothing is generated twice: a second iteration goes on where the
/// first one was.
public struct AnswerStream: AsyncSequence, Sendable {
    /// A piece of the answer; always whole characters.
    public typealias Element = String
    /// What ends a stream early.
    public typealias Failure = LLaVAError

    private let run: AnswerRun

    init(_ run: AnswerRun) { self.run = run }

    /// The whole answer, without looking at its pieces or after them.
    ///
    /// An answer that was stopped after its first token is what there is of it, with the reason `.cancelled`.
    ///
    /// - Throws: `LLaVAError`; of kind `.cancelled` when it was stopped before its first token.
    public func answer() async throws(LLaVAError) -> Answer {
        run.start(isStreamed: false)
        let outcome = await withTaskCancellationHandler {
            await run.outcome
        } onCancel: {
            run.stop()
        }
        return try outcome.get()
    }

    /// Begins the work.
    public func makeAsyncIterator() -> Iterator { Iterator(run) }

    /// Hands out the pieces of an answer; the work stops when it is given up.
    public struct Iterator: AsyncIteratorProtocol {
        private let reading: Reading
        private var pieces: AsyncStream<String>.Iterator
        private var hasEnded = false

        init(_ run: AnswerRun) {
            run.start(isStreamed: true)
            reading = Reading(run)
            pieces = run.pieces.makeAsyncIterator()
        }

        /// The next piece; nil after the last one, or when the task was cancelled.
        ///
        /// - Throws: `LLaVAError`.
        public mutating func next() async throws(LLaVAError) -> String? {
            try await next(isolation: nil)
        }

        /// The next piece; nil after the last one, or when the task was cancelled.
        ///
        /// - Throws: `LLaVAError`.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(LLaVAError) -> String? {
            if let piece = await pieces.next(isolation: actor) { return piece }
            guard !hasEnded, !Task.isCancelled else { return nil }
            hasEnded = true
            _ = try await reading.run.outcome.get()
            return nil
        }
    }

    /// Stops the work when nobody reads any more.
    private final class Reading: Sendable {
        let run: AnswerRun

        init(_ run: AnswerRun) { self.run = run }

        deinit { run.stop() }
    }
}
