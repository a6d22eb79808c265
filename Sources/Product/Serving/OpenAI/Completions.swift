// SPDX-License-Identifier: Apache-2.0
import Foundation
import Generation
import Hummingbird
import TrimLLaVA

/// `POST /v1/completions`: continues a text, without a template.
struct Completions {
    let server: ServerState

    func answer(_ request: Request, _ context: ServerContext) async throws -> Response {
        _ = try server.modelWithRoom()
        let fields = try await server.fields(of: request, context)
        let model = try server.model()
        let asked = try fields.string("model")
        let job = try Self.job(fields, model, asked)
        let task = try job.start(context.exchange, server)
        let form = Form(
            id: "cmpl-" + Identifier.random(), created: Int(Date().timeIntervalSince1970),
            model: model.name(for: asked))
        guard job.isStreamed else {
            let progress = try await task.follow()
            var answer = form.document(
                progress.answers.enumerated().map { index, answer in
                    form.choice(index, .string(answer.text), answer.stopReason.finishReason)
                })
            answer["usage"] = progress.usage
            answer["timings"] = progress.timings
            return .json(answer)
        }
        let includesUsage =
            try fields.fields("stream_options")?.bool("include_usage") ?? false
        return stream(task, form, choices: job.choices, includesUsage: includesUsage)
    }

    private static func job(
        _ fields: JSONFields, _ model: ServedModel, _ asked: String?
    ) throws(APIError) -> AnswerJob {
        let options = GenerationFields(fields: fields, model: model, modelName: asked)
        try options.refuseUnsupported()
        if let suffix = try fields.string("suffix"), !suffix.isEmpty {
            throw .unsupported("suffix is not supported", param: "suffix")
        }
        guard let prompts = try fields.strings("prompt") else {
            throw .invalid("prompt is missing", param: "prompt")
        }
        guard prompts.count == 1 else {
            throw .invalid("prompt has \(prompts.count) texts, expected one", param: "prompt")
        }
        let generation = try options.options(mostTokens: ["max_tokens", "n_predict"])
        let chat: ChatRequest
        do {
            chat = try model.llava.completion(of: prompts[0], options: generation)
        } catch {
            throw APIError(error, param: "prompt")
        }
        return AnswerJob(
            model: model, chat: chat,
            choices: try fields.integer("n", in: 1...model.parallel) ?? 1,
            isStreamed: try fields.bool("stream") ?? false)
    }

    private func stream(
        _ task: AnswerTask, _ form: Form, choices: Int, includesUsage: Bool
    ) -> Response {
        Response.stream(task, type: "text/event-stream; charset=utf-8") { error, stream in
            stream.event(error.body(.openAI))
        } body: { stream in
            let pieces = (0..<choices).map { index in
                JSONTemplate { form.document([form.choice(index, $0, nil)]) }
            }
            let progress = try await task.follow(to: &stream) { item, stream in
                guard case .event(let index, let event) = item else { return stream.comment(nil) }
                switch event {
                case .text(let piece): stream.event(pieces[index].line(piece))
                case .finished(let answer):
                    stream.event(
                        form.document([form.choice(index, "", answer.stopReason.finishReason)]))
                case .queued, .encoding, .reading: break
                }
            }
            if includesUsage {
                var last = form.document([])
                last["usage"] = progress.usage
                last["timings"] = progress.timings
                stream.event(last)
            }
            stream.event(text: "[DONE]")
        }
    }

    /// The documents of one completion.
    private struct Form: Sendable {
        let id: String
        let created: Int
        let model: String

        func document(_ choices: [JSONValue]) -> JSONValue {
            [
                "id": .string(id), "object": "text_completion", "created": .integer(created),
                "model": .string(model), "choices": .array(choices),
            ]
        }

        func choice(_ index: Int, _ text: JSONValue, _ reason: String?) -> JSONValue {
            [
                "index": .integer(index), "text": text, "logprobs": nil,
                "finish_reason": .optional(reason),
            ]
        }
    }
}
