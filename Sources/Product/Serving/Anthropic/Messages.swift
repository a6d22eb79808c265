// SPDX-License-Identifier: Apache-2.0
import Generation
import Hummingbird
import TrimLLaVA

/// Anthropic's `POST /v1/messages` and `POST /v1/messages/count_tokens`.
struct Messages {
    let server: ServerState

    func answer(_ request: Request, _ context: ServerContext) async throws -> Response {
        _ = try server.modelWithRoom()
        let fields = try await server.fields(of: request, context)
        let asked = try MessagesRequest(
            fields, server.model(), server.pictures, countsOnly: false)
        let task = try asked.job.start(context.exchange, server)
        let id = "msg_" + Identifier.random()
        guard asked.job.isStreamed else {
            let progress = try await task.follow()
            let answer = progress.answers[0]
            var message = Self.message(id, asked.modelName)
            message["content"] = [["type": "text", "text": .string(answer.text)]]
            message["stop_reason"] = .string(answer.stopReason.anthropicReason)
            message["usage"] = Self.usage(answer.statistics)
            message["trimllava"] = task.report(progress)
            return .json(message)
        }
        return stream(id, asked, task)
    }

    func countTokens(_ request: Request, _ context: ServerContext) async throws -> Response {
        let fields = try await server.fields(of: request, context)
        let asked = try MessagesRequest(
            fields, server.model(), server.pictures, countsOnly: true)
        return .json(["input_tokens": .integer(asked.job.chat.rows.all)])
    }

    private func stream(
        _ id: String, _ asked: MessagesRequest, _ task: AnswerTask
    ) -> Response {
        Response.stream(task, type: "text/event-stream; charset=utf-8") { error, stream in
            stream.event(error.body(.anthropic), name: "error")
        } body: { stream in
            var start = Self.message(id, asked.modelName)
            start["usage"] = [
                "input_tokens": .integer(asked.job.chat.rows.all), "output_tokens": 0,
            ]
            Self.send("message_start", ["message": start], to: &stream)
            Self.send(
                "content_block_start",
                ["index": 0, "content_block": ["type": "text", "text": ""]], to: &stream)
            let progress = try await task.follow(to: &stream) { item, stream in
                switch item {
                case .event(_, .text(let text)):
                    stream.event(Self.pieces.line(text), name: "content_block_delta")
                case .silence: Self.send("ping", [:], to: &stream)
                case .event, .failed: break
                }
            }
            let answer = progress.answers[0]
            Self.send("content_block_stop", ["index": 0], to: &stream)
            Self.send(
                "message_delta",
                [
                    "delta": [
                        "stop_reason": .string(answer.stopReason.anthropicReason),
                        "stop_sequence": nil,
                    ],
                    "usage": Self.usage(answer.statistics), "trimllava": task.report(progress),
                ], to: &stream)
            Self.send("message_stop", [:], to: &stream)
        }
    }

    /// The events that bring an answer's text.
    private static let pieces = JSONTemplate { text in
        [
            "type": "content_block_delta", "index": 0,
            "delta": ["type": "text_delta", "text": text],
        ]
    }

    private static func send(
        _ type: String, _ document: JSONValue, to stream: inout EventStream
    ) {
        var document = document
        document["type"] = .string(type)
        stream.event(document, name: type)
    }

    private static func message(_ id: String, _ model: String) -> JSONValue {
        [
            "id": .string(id), "type": "message", "role": "assistant", "model": .string(model),
            "content": [], "stop_reason": nil, "stop_sequence": nil,
        ]
    }

    private static func usage(_ statistics: GenerationStatistics) -> JSONValue {
        [
            "input_tokens": .integer(statistics.promptRows - statistics.sharedRows),
            "cache_read_input_tokens": .integer(statistics.sharedRows),
            "cache_creation_input_tokens": 0,
            "output_tokens": .integer(statistics.generatedTokens),
        ]
    }
}

extension Answer.StopReason {
    /// Anthropic's word for it.
    var anthropicReason: String {
        switch self {
        case .endOfSequence: "end_turn"
        case .stopString: "stop_sequence"
        case .length, .context, .cancelled: "max_tokens"
        }
    }
}
