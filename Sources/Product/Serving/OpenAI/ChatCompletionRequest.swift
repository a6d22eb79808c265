// SPDX-License-Identifier: Apache-2.0
import Tokenization
import TrimLLaVA

/// The body of `POST /v1/chat/completions`.
struct ChatCompletionRequest {
    let job: AnswerJob
    /// What the answer calls the model.
    let modelName: String
    /// Whether the last chunk of a stream tells the numbers of tokens.
    let includesUsage: Bool

    /// Reads and checks a body; no pixel is decoded.
    init(
        _ fields: JSONFields, _ model: ServedModel, _ pictures: PictureReader
    ) throws(APIError) {
        let asked = try fields.string("model")
        let options = GenerationFields(fields: fields, model: model, modelName: asked)
        try options.refuseUnsupported()
        let messages = try Self.messages(fields, pictures)
        let generation = try options.options(
            mostTokens: ["max_completion_tokens", "max_tokens", "n_predict"])
        let chat: ChatRequest
        do {
            chat = try model.llava.chat(messages, model.options, generation)
        } catch {
            throw APIError(error, param: "messages")
        }
        modelName = model.name(for: asked)
        includesUsage =
            try fields.fields("stream_options")?.bool("include_usage") ?? false
        job = AnswerJob(
            model: model, chat: chat,
            choices: try fields.integer("n", in: 1...model.parallel) ?? 1,
            isStreamed: try fields.bool("stream") ?? false,
            drawsMap: try fields.bool("prune_map") ?? false)
    }

    /// The messages of a body.
    private static func messages(
        _ fields: JSONFields, _ pictures: PictureReader
    ) throws(APIError) -> ChatMessages {
        guard let list = try fields.array("messages"), !list.isEmpty else {
            throw .invalid("messages is missing or empty", param: "messages")
        }
        var messages = ChatMessages(mostPictures: pictures.limits.pictures)
        for (index, value) in list.enumerated() {
            let place = "messages[\(index)]"
            let message = try JSONFields.fields(of: value, at: place)
            guard let name = try message.string("role") else {
                throw .invalid("\(place).role is missing", param: "\(place).role")
            }
            guard let role = ChatMessages.Role(rawValue: name) else {
                throw .invalid(
                    "\(place).role is not one of system, developer, user, assistant",
                    param: "\(place).role")
            }
            let parts = try parts(of: message, role, pictures)
            try messages.append(role, parts, place: place)
        }
        try messages.checkIsQuestion(place: "messages")
        return messages
    }

    private static func parts(
        of message: JSONFields, _ role: ChatMessages.Role, _ pictures: PictureReader
    ) throws(APIError) -> [ChatMessages.Part] {
        let place = message.place("content")
        guard let content = message["content"] else {
            // An answer that called a tool has none.
            guard role == .assistant else {
                throw .invalid("\(place) is missing", param: place)
            }
            return []
        }
        switch content {
        case .string(let text): return [.text(text)]
        case .array(let values):
            var parts: [ChatMessages.Part] = []
            for (index, value) in values.enumerated() {
                let part = try JSONFields.fields(of: value, at: "\(place)[\(index)]")
                parts.append(try Self.part(part, pictures))
            }
            return parts
        default: throw message.wrong("content", content, "a string or an array of parts")
        }
    }

    private static func part(
        _ part: JSONFields, _ pictures: PictureReader
    ) throws(APIError) -> ChatMessages.Part {
        let type = try part.string("type")
        switch type {
        case "text", "input_text", "refusal":
            let field = type == "refusal" ? "refusal" : "text"
            guard let text = try part.string(field) else {
                throw .invalid("\(part.place(field)) is missing", param: part.place(field))
            }
            return .text(text)
        case "image_url", "input_image":
            let (address, place) = try self.address(of: part)
            return .picture(try pictures.picture(at: address, place: place))
        default:
            throw .invalid(
                "\(part.place("type")) is not one of text, image_url", param: part.place("type"))
        }
    }

    /// The address of a picture: an object with a field, or the address alone, as ollama writes it.
    private static func address(of part: JSONFields) throws(APIError) -> (String, String) {
        let place = part.place("image_url")
        if case .string(let address) = part["image_url"] { return (address, place) }
        guard let picture = try part.fields("image_url"), let address = try picture.string("url")
        else {
            throw .invalid("\(place).url is missing", param: "\(place).url")
        }
        return (address, "\(place).url")
    }
}

extension LLaVA {
    /// Writes the messages of a request down for the model.
    func chat(
        _ messages: ChatMessages, _ serving: ServingOptions, _ options: GenerationOptions
    ) throws(LLaVAError) -> ChatRequest {
        try chat(
            messages.turns, system: messages.system, pictures: messages.pictures.map(\.source),
            sizes: messages.pictures.map(\.size), template: serving.template, options: options)
    }
}
