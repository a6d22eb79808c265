// SPDX-License-Identifier: Apache-2.0
import Foundation
import Generation
import Hummingbird
import TrimLLaVA

/// ollama's `POST /api/chat` and `POST /api/generate`.
struct OllamaAnswers {
    let server: ServerState

    func chat(_ request: Request, _ context: ServerContext) async throws -> Response {
        _ = try server.modelWithRoom()
        let fields = try await server.fields(of: request, context)
        let asked = try OllamaRequest(chat: fields, server.model(), server.pictures)
        return try await answer(asked, context) {
            ["message": ["role": "assistant", "content": .string($0)]]
        }
    }

    func generate(_ request: Request, _ context: ServerContext) async throws -> Response {
        _ = try server.modelWithRoom()
        let fields = try await server.fields(of: request, context)
        let asked = try OllamaRequest(generate: fields, server.model(), server.pictures)
        return try await answer(asked, context) { ["response": .string($0)] }
    }

    /// - Parameter form: the fields that a piece of text is in.
    private func answer(
        _ asked: OllamaRequest, _ context: ServerContext,
        _ form: @escaping @Sendable (String) -> JSONValue
    ) async throws -> Response {
        let name = asked.modelName
        let piece = { @Sendable (text: String) -> JSONValue in
            var piece = form(text)
            piece["model"] = .string(name)
            piece["created_at"] = .string(Self.now)
            piece["done"] = false
            return piece
        }
        guard let job = asked.job else {
            var loaded = piece("")
            loaded["done"] = true
            loaded["done_reason"] = "load"
            return .json(loaded)
        }
        let task = try job.start(context.exchange, server)
        guard asked.isStreamed else {
            let progress = try await task.follow()
            return .json(Self.last(piece(progress.answers[0].text), progress, task))
        }
        return Response.stream(task, type: "application/x-ndjson") { error, stream in
            stream.line(error.body(.ollama))
        } body: { stream in
            let progress = try await task.follow(to: &stream) { item, stream in
                if case .event(_, .text(let text)) = item { stream.line(piece(text)) }
            }
            stream.line(Self.last(piece(""), progress, task))
        }
    }

    /// Adds what an answer cost; times are in nanoseconds.
    private static func last(
        _ piece: JSONValue, _ progress: AnswerProgress, _ task: AnswerTask
    ) -> JSONValue {
        var last = piece
        let answer = progress.answers[0]
        let statistics = answer.statistics
        func nanoseconds(_ seconds: Double) -> JSONValue { .integer(Int(seconds * 1e9)) }
        last["done"] = true
        last["done_reason"] = .string(answer.stopReason.finishReason)
        last["total_duration"] = nanoseconds(progress.totalSeconds)
        last["load_duration"] = nanoseconds(progress.queuedSeconds)
        last["prompt_eval_count"] = .integer(statistics.promptRows)
        last["prompt_eval_duration"] = nanoseconds(
            statistics.firstTokenSeconds)
        last["eval_count"] = .integer(statistics.generatedTokens)
        last["eval_duration"] = nanoseconds(statistics.decodeSeconds)
        last["trimllava"] = task.report(progress)
        return last
    }

    private static var now: String {
        Date.now.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }
}
