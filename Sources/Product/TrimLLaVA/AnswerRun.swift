// SPDX-License-Identifier: Apache-2.0
import Generation
import Synchronization

/// A request to an engine, from before it is made until it is answered.
final class AnswerRun: Sendable {
    typealias Outcome = Result<Answer, LLaVAError>

    private struct State {
        var task: Task<Outcome, Never>?
        var isStopped = false
        /// Takes the request back, once the engine has it.
        var takeBack: (@Sendable () -> Void)?
    }

    /// The pieces of the answer; they end with it, or when it fails.
    let pieces: AsyncStream<String>

    private let passing: AsyncStream<String>.Continuation
    private let engine: @Sendable () throws -> Engine
    private let request: @Sendable () throws -> Engine.Request
    private let onProgress: @Sendable (PromptProgress) -> Void
    private let state = Mutex(State())

    /// A request that is not made yet.
    ///
    /// - Parameters:
    ///   - engine: what it is made to.
    ///   - request: writes it; reads the pictures' files.
    init(
        to engine: @escaping @Sendable () throws -> Engine,
        _ request: @escaping @Sendable () throws -> Engine.Request,
        onProgress: @escaping @Sendable (PromptProgress) -> Void
    ) {
        self.engine = engine
        self.request = request
        self.onProgress = onProgress
        (pieces, passing) = AsyncStream.makeStream()
        passing.onTermination = { [weak self] reason in
            if case .cancelled = reason { self?.stop() }
        }
    }

    /// Makes the request, unless that was done.
    func start(isStreamed: Bool) {
        state.withLock { state in
            guard state.task == nil else { return }
            state.task = Task { await perform(isStreamed: isStreamed) }
        }
    }

    /// What became of the request, once it has been started.
    var outcome: Outcome {
        get async { await state.withLock(\.task)?.value ?? .failure(Self.cancelled) }
    }

    /// Ends the request: an answer that has begun is cut short.
    func stop() {
        let takeBack = state.withLock { state in
            state.isStopped = true
            return state.takeBack
        }
        takeBack?()
    }

    private static let cancelled = LLaVAError.generation(.model(.cancelled))

    private func perform(isStreamed: Bool) async -> Outcome {
        defer {
            state.withLock { $0.takeBack = nil }
            passing.finish()
        }
        do {
            guard !state.withLock(\.isStopped) else { throw Self.cancelled }
            var request = try request()
            request.isStreamed = isStreamed
            // The engine lives at least as long as its answer.
            let engine = try engine()
            let ticket = try engine.submit(request)
            let isStopped = state.withLock { state in
                state.takeBack = { engine.cancel(ticket.id) }
                return state.isStopped
            }
            if isStopped { engine.cancel(ticket.id) }
            return .success(try await pass(ticket.events))
        } catch {
            return .failure(LLaVAError(error))
        }
    }

    private func pass(
        _ events: AsyncThrowingStream<Engine.Event, any Error>
    ) async throws -> Answer {
        for try await event in events {
            switch event {
            case .queued, .encoding, .reading: event.progress.map(onProgress)
            case .text(let piece): passing.yield(piece)
            case .finished(let answer): return answer
            }
        }
        throw Self.cancelled
    }
}
