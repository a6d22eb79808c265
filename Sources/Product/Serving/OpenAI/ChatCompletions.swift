// SPDX-License-Identifier: Apache-2.0
import Foundation
import Generation
import Hummingbird
import TrimLLaVA

/// `POST /v1/chat/completions`, and the count of what it would read.
struct ChatCompletions {
    let server: ServerState

    /// Answers a conversation about pictures.
    func answer(_ request: Request, _ context: ServerContext) async throws -> Response {
        _ = try server.modelWithRoom()
        let fields = try await server.fields(of: request, context)
        let asked = try ChatCompletionRequest(fields, server.model(), server.pictures)
        let task = try asked.job.start(context.exchange, server)
        let form = ChatCompletionForm(
            id: "chatcmpl-" + Identifier.random(), created: Int(Date().timeIntervalSince1970),
            model: asked.modelName)
        guard asked.job.isStreamed else {
            let progress = try await task.follow()
            return .json(form.completion(progress, task.report(progress)))
        }
        return stream(asked, task, form)
    }

    private func stream(
        _ asked: ChatCompletionRequest, _ task: AnswerTask, _ form: ChatCompletionForm
    ) -> Response {
        Response.stream(task, type: "text/event-stream; charset=utf-8") { error, stream in
            stream.event(error.body(.openAI))
        } body: { stream in
            var hasRole = Set<Int>()
            let pieces = (0..<asked.job.choices).map { choice in
                JSONTemplate { form.chunk(choice, delta: ["content": $0]) }
            }
            let progress = try await task.follow(to: &stream) { item, stream in
                if let comment = item.comment {
                    if hasRole.isEmpty { stream.comment(comment) }
                    return
                }
                guard case .event(let choice, let event) = item else { return stream.comment(nil) }
                if hasRole.insert(choice).inserted {
                    stream.event(form.chunk(choice, delta: ["role": "assistant", "content": ""]))
                }
                switch event {
                case .text(let piece): stream.event(pieces[choice].line(piece))
                case .finished(let answer):
                    stream.event(
                        form.chunk(choice, delta: [:], reason: answer.stopReason.finishReason))
                case .queued, .encoding, .reading: break
                }
            }
            if asked.includesUsage {
                stream.event(form.usageChunk(progress, task.report(progress)))
            }
            stream.event(text: "[DONE]")
        }
    }

    /// `POST /v1/chat/completions/input_tokens`.
    func countTokens(_ request: Request, _ context: ServerContext) async throws -> Response {
        let fields = try await server.fields(of: request, context)
        let asked = try ChatCompletionRequest(fields, server.model(), server.pictures)
        return .json([
            "object": "response.input_tokens", "input_tokens": .integer(asked.job.chat.rows.all),
            "image_tokens": .integer(asked.job.chat.rows.visual),
        ])
    }
}

/// The documents of one chat completion.
struct ChatCompletionForm: Sendable {
    let id: String
    let created: Int
    let model: String

    /// The whole answer.
    func completion(_ progress: AnswerProgress, _ report: JSONValue) -> JSONValue {
        var completion = head(object: "chat.completion")
        completion["choices"] = .array(
            progress.answers.enumerated().map { index, answer in
                [
                    "index": .integer(index), "logprobs": nil,
                    "message": [
                        "role": "assistant", "content": .string(answer.text), "refusal": nil,
                    ],
                    "finish_reason": .string(answer.stopReason.finishReason),
                ]
            })
        completion["usage"] = progress.usage
        completion["timings"] = progress.timings
        completion["trimllava"] = report
        return completion
    }

    /// A part of a streamed answer.
    func chunk(_ choice: Int, delta: JSONValue, reason: String? = nil) -> JSONValue {
        var chunk = head(object: "chat.completion.chunk")
        chunk["choices"] = [
            [
                "index": .integer(choice), "delta": delta, "logprobs": nil,
                "finish_reason": .optional(reason),
            ]
        ]
        return chunk
    }

    /// The last part of a streamed answer.
    func usageChunk(_ progress: AnswerProgress, _ report: JSONValue) -> JSONValue {
        var chunk = head(object: "chat.completion.chunk")
        chunk["choices"] = []
        chunk["usage"] = progress.usage
        chunk["timings"] = progress.timings
        chunk["trimllava"] = report
        return chunk
    }

    private func head(object: String) -> JSONValue {
        [
            "id": .string(id), "object": .string(object), "created": .integer(created),
            "model": .string(model), "system_fingerprint": .string("trimllava-\(Release.version)"),
        ]
    }
}
