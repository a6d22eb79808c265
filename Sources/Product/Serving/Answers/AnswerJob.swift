// SPDX-License-Identifier: Apache-2.0
import Generation
import Hummingbird
import Imaging
import NIOCore
import TrimLLaVA

/// A request that was read and checked, whatever API it came by.
struct AnswerJob: Sendable {
    let model: ServedModel
    let chat: ChatRequest
    /// How many answers are wanted.
    var choices = 1
    var isStreamed = false
    /// Whether the places of the kept visual tokens are told.
    var drawsMap = false

    /// What the pictures are selected by; nil for all visual tokens.
    var pruning: PruningOptions? { chat.request.options.pruning }

    /// What the log says of the largest picture.
    fileprivate func note(_ progress: AnswerProgress) -> String? {
        guard pruning == nil, let selections = progress.answers.first?.selections else {
            return nil
        }
        let tokens = selections.map(\.unprunedRowCount).max() ?? 0
        return model.manyTokens?.log.text("a picture becomes", tokens: tokens)
    }

    /// Puts the request into the engine's queue.
    ///
    /// - Throws: `APIError` when too many requests wait.
    func start(_ exchange: Exchange, _ server: ServerState) throws(APIError) -> AnswerTask {
        var request = chat.request
        request.isStreamed = isStreamed
        let answers = try RunningAnswers(
            request, choices: choices, by: model.engine, pings: isStreamed)
        return AnswerTask(self, answers, exchange, server)
    }
}

/// The answers of a job, for whoever waits for them on a connection.
struct AnswerTask: Sendable {
    let job: AnswerJob
    let answers: RunningAnswers
    private let exchange: Exchange
    private let server: ServerState

    fileprivate init(
        _ job: AnswerJob, _ answers: RunningAnswers, _ exchange: Exchange, _ server: ServerState
    ) {
        (self.job, self.answers, self.exchange, self.server) = (job, answers, exchange, server)
    }

    /// Waits for all that happens, and writes what `onItem` makes of it to a stream.
    ///
    /// - Returns: what is known at the end; every choice has an answer.
    /// - Throws: `APIError`, and what writing throws.
    func follow(
        to stream: inout EventStream, onItem: (RunningAnswers.Item, inout EventStream) -> Void
    ) async throws -> AnswerProgress {
        try await follow { items in
            for item in items { onItem(item, &stream) }
            try await stream.flush()
        }
    }

    /// Waits for all that happens; the answers are cancelled when the client leaves or the time is up.
    ///
    /// - Parameter onItems: called with the items that have come, failures excepted.
    /// - Returns: what is known at the end; every choice has an answer.
    /// - Throws: `APIError`, and whatever `onItems` throws.
    func follow(
        onItems: ([RunningAnswers.Item]) async throws -> Void = { _ in }
    ) async throws -> AnswerProgress {
        var progress = AnswerProgress(choices: job.choices, arrived: exchange.start)
        let connection = server.connections.connection(on: exchange.channel)
        let watcher = connection?.onGone { [weak answers] in answers?.cancel() }
        let deadline = server.options.limits.requestSeconds.map { seconds in
            Task { [weak answers] in
                guard (try? await Task.sleep(for: .seconds(seconds))) != nil else { return }
                answers?.cancel(.timeOut(seconds))
            }
        }
        defer {
            deadline?.cancel()
            answers.cancel()
            if let watcher { connection?.forget(watcher) }
            var facts = progress.facts(pictures: job.chat.sizes.count)
            facts.note = job.note(progress)
            exchange.update { $0.answers = facts }
        }
        if connection == nil { answers.cancel() }
        try await answers.items.forEachBatch { items in
            let failure = items.firstIndex(where: \.isFailure)
            let passed = items[..<(failure ?? items.endIndex)]
            for case .event(let choice, let event) in passed {
                progress.note(event, choice: choice)
            }
            try await onItems(Array(passed))
            if let failure, case .failed(_, let error) = items[failure] {
                throw error.kind == .cancelled
                    ? answers.cancellationReason ?? APIError(error) : APIError(error)
            }
        }
        guard progress.answers.count == job.choices else {
            throw APIError.unavailable("the request was cancelled")
        }
        return progress
    }

    /// The object `trimllava` of the answer.
    func report(_ progress: AnswerProgress) -> JSONValue {
        AnswerReport(
            progress: progress, sizes: job.chat.sizes, model: job.model, pruning: job.pruning,
            drawsMap: job.drawsMap
        ).json
    }

    /// The loop of the connection that the answer is written to.
    var loop: any EventLoop { exchange.channel.eventLoop }

    /// Notes an error that comes after the answer's head.
    func noteLate(_ error: APIError) { exchange.update { $0.lateError = error } }

    /// Counts bytes of the answer's body.
    func noteWritten(_ bytes: Int) { exchange.update { $0.bytes += bytes } }
}

extension APIError {
    /// The time of a request is up.
    ///
    /// Made again, it would take as long.
    static func timeOut(_ seconds: Int) -> APIError {
        APIError(
            status: .requestTimeout, type: "timeout_error", code: "request_timeout",
            message: "the answer did not begin within \(seconds) seconds, the server's limit",
            headers: [.shouldRetry: "false"])
    }
}
