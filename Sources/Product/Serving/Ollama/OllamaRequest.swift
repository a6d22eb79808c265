// SPDX-License-Identifier: Apache-2.0
import Tokenization
import TrimLLaVA

/// The body of ollama's `POST /api/chat` and `POST /api/generate`.
struct OllamaRequest {
    /// What is to be answered; nil where the model is only to be loaded.
    let job: AnswerJob?
    let modelName: String
    let isStreamed: Bool

    /// Reads a body with `messages`.
    init(
        chat fields: JSONFields, _ model: ServedModel, _ pictures: PictureReader
    ) throws(APIError) {
        var messages = ChatMessages(mostPictures: pictures.limits.pictures)
        let list = try fields.array("messages") ?? []
        for (index, value) in list.enumerated() {
            let place = "messages[\(index)]"
            let message = try JSONFields.fields(of: value, at: place)
            guard let role = (try message.string("role")).flatMap(ChatMessages.Role.init) else {
                throw .invalid("\(place).role is not one of system, user, assistant")
            }
            let content = try message.string("content") ?? ""
            let parts = try Self.pictures(of: message, pictures) + [.text(content)]
            try messages.append(
                role, parts.filter { if case .text("") = $0 { false } else { true } }, place: place)
        }
        if !list.isEmpty { try messages.checkIsQuestion(place: "messages") }
        try self.init(fields, list.isEmpty ? nil : messages, model)
    }

    /// Reads a body with a `prompt`.
    init(
        generate fields: JSONFields, _ model: ServedModel, _ pictures: PictureReader
    ) throws(APIError) {
        for name in ["suffix", "template"] {
            if let text = try fields.string(name), !text.isEmpty { throw Self.refusal(name) }
        }
        if let tokens = try fields.array("context"), !tokens.isEmpty {
            throw Self.refusal("context")
        }
        var messages = ChatMessages(mostPictures: pictures.limits.pictures)
        if let system = try fields.string("system"), !system.isEmpty {
            try messages.append(.system, [.text(system)], place: "system")
        }
        let prompt = try fields.string("prompt") ?? ""
        let parts =
            try Self.pictures(of: fields, pictures) + (prompt.isEmpty ? [] : [.text(prompt)])
        if !parts.isEmpty { try messages.append(.user, parts, place: "prompt") }
        if try fields.bool("raw") ?? false {
            guard messages.pictures.isEmpty else {
                throw .invalid("images cannot be combined with raw", param: "raw")
            }
            try self.init(fields, raw: prompt, model)
        } else {
            try self.init(fields, parts.isEmpty ? nil : messages, model)
        }
    }

    private init(
        _ fields: JSONFields, _ messages: ChatMessages?, _ model: ServedModel
    ) throws(APIError) {
        try self.init(fields, model) { options throws(LLaVAError) in
            guard let messages else { return nil }
            return try model.llava.chat(messages, model.options, options)
        }
    }

    private init(
        _ fields: JSONFields, raw prompt: String, _ model: ServedModel
    ) throws(APIError) {
        try self.init(fields, model) { options throws(LLaVAError) in
            guard !prompt.isEmpty else { return nil }
            return try model.llava.completion(of: prompt, options: options)
        }
    }

    private init(
        _ fields: JSONFields, _ model: ServedModel,
        _ write: (GenerationOptions) throws(LLaVAError) -> ChatRequest?
    ) throws(APIError) {
        try Self.refuseUnsupported(fields)
        let asked = try fields.string("model")
        modelName = model.name(for: asked)
        let streams = try fields.bool("stream") ?? true
        isStreamed = streams
        let options = try Self.options(fields, model, asked)
        let chat: ChatRequest?
        do {
            chat = try write(options)
        } catch {
            throw APIError(error)
        }
        let drawsMap = try fields.bool("prune_map") ?? false
        job = chat.map {
            AnswerJob(model: model, chat: $0, isStreamed: streams, drawsMap: drawsMap)
        }
    }

    private static func options(
        _ fields: JSONFields, _ model: ServedModel, _ asked: String?
    ) throws(APIError) -> GenerationOptions {
        let inner = try fields.fields("options") ?? JSONFields([:], path: "options")
        let options = GenerationFields(fields: inner, model: model, modelName: asked)
        // Negative numbers mean as many tokens as there is room for.
        guard let count = try inner.integer("num_predict"), count < 0 else {
            return try options.options(mostTokens: ["num_predict"])
        }
        var generation = try options.options(mostTokens: [])
        generation.maxNewTokens = model.llava.context
        return generation
    }

    private static func pictures(
        of fields: JSONFields, _ pictures: PictureReader
    ) throws(APIError) -> [ChatMessages.Part] {
        var parts: [ChatMessages.Part] = []
        for (index, text) in (try fields.strings("images") ?? []).enumerated() {
            let place = "\(fields.place("images"))[\(index)]"
            parts.append(.picture(try pictures.picture(at: text, place: place)))
        }
        return parts
    }

    private static func refuseUnsupported(_ fields: JSONFields) throws(APIError) {
        if let tools = try fields.array("tools"), !tools.isEmpty { throw refusal("tools") }
        if let format = fields["format"], format != .string("") { throw refusal("format") }
        if let think = fields["think"], think != .bool(false) { throw refusal("think") }
    }

    private static func refusal(_ name: String) -> APIError {
        .unsupported("\(name) is not supported", param: name)
    }
}
