// SPDX-License-Identifier: Apache-2.0
import Tokenization
import TrimLLaVA

/// The body of Anthropic's `POST /v1/messages`.
struct MessagesRequest {
    let job: AnswerJob
    let modelName: String

    /// Reads and checks a body.
    ///
    /// - Parameter countsOnly: whether only the tokens are counted, and the length of an answer is not given.
    init(
        _ fields: JSONFields, _ model: ServedModel, _ pictures: PictureReader, countsOnly: Bool
    ) throws(APIError) {
        let asked = try fields.string("model")
        modelName = model.name(for: asked)
        if let tools = try fields.array("tools"), !tools.isEmpty {
            throw .unsupported("tools is not supported", param: "tools")
        }
        guard countsOnly || fields["max_tokens"] != nil else {
            throw .invalid("max_tokens is missing", param: "max_tokens")
        }
        let reader = GenerationFields(fields: fields, model: model, modelName: asked)
        var options = try reader.options(mostTokens: ["max_tokens"])
        options.stopStrings += (try fields.strings("stop_sequences") ?? []).filter { !$0.isEmpty }
        let messages = try Self.messages(fields, pictures)
        let chat: ChatRequest
        do {
            chat = try model.llava.chat(messages, model.options, options)
        } catch {
            throw APIError(error, param: "messages")
        }
        job = AnswerJob(
            model: model, chat: chat, isStreamed: try fields.bool("stream") ?? false,
            drawsMap: try fields.bool("prune_map") ?? false)
    }

    private static func messages(
        _ fields: JSONFields, _ pictures: PictureReader
    ) throws(APIError) -> ChatMessages {
        var messages = ChatMessages(mostPictures: pictures.limits.pictures)
        let system = try parts(of: fields, "system", pictures)
        if !system.isEmpty { try messages.append(.system, system, place: "system") }
        guard let list = try fields.array("messages"), !list.isEmpty else {
            throw .invalid("messages is missing or empty", param: "messages")
        }
        for (index, value) in list.enumerated() {
            let place = "messages[\(index)]"
            let message = try JSONFields.fields(of: value, at: place)
            guard let name = try message.string("role"),
                let role = ChatMessages.Role(rawValue: name), role == .user || role == .assistant
            else {
                throw .invalid("\(place).role is not user or assistant", param: "\(place).role")
            }
            try messages.append(role, parts(of: message, "content", pictures), place: place)
        }
        try messages.checkIsQuestion(place: "messages")
        return messages
    }

    private static func parts(
        of message: JSONFields, _ name: String, _ pictures: PictureReader
    ) throws(APIError) -> [ChatMessages.Part] {
        guard let content = message[name] else { return [] }
        if case .string(let text) = content { return [.text(text)] }
        var parts: [ChatMessages.Part] = []
        for (index, value) in (try message.array(name) ?? []).enumerated() {
            let block = try JSONFields.fields(of: value, at: "\(message.place(name))[\(index)]")
            parts.append(try part(block, pictures))
        }
        return parts
    }

    private static func part(
        _ block: JSONFields, _ pictures: PictureReader
    ) throws(APIError) -> ChatMessages.Part {
        switch try block.string("type") {
        case "text":
            guard let text = try block.string("text") else {
                throw .invalid("\(block.place("text")) is missing", param: block.place("text"))
            }
            return .text(text)
        case "image":
            guard let source = try block.fields("source") else {
                throw .invalid("\(block.place("source")) is missing", param: block.place("source"))
            }
            let field = try source.string("type") == "url" ? "url" : "data"
            let place = source.place(field)
            guard let address = try source.string(field) else {
                throw .invalid("\(place) is missing", param: place)
            }
            return .picture(try pictures.picture(at: address, place: place))
        default:
            throw .invalid(
                "\(block.place("type")) is not one of text, image", param: block.place("type"))
        }
    }
}
