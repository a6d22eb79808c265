// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hummingbird
import TrimLLaVA

/// What ollama's API tells about models.
struct OllamaModels {
    let server: ServerState

    /// A version of ollama whose API this one is like; clients compare it with what they need.
    private static let version = "0.12.0"

    func version(_ request: Request, _ context: ServerContext) -> Response {
        .json(["version": .string(Self.version), "trimllava": .string(Release.version)])
    }

    func tags(_ request: Request, _ context: ServerContext) throws -> Response {
        .json(["models": [Self.entry(try server.model())]])
    }

    func running(_ request: Request, _ context: ServerContext) throws -> Response {
        let model = try server.model()
        var entry = Self.entry(model)
        entry["size_vram"] = 0
        // It stays as long as the server.
        entry["expires_at"] = "2318-01-01T00:00:00Z"
        entry["context_length"] = .integer(model.llava.context)
        return .json(["models": [entry]])
    }

    func show(_ request: Request, _ context: ServerContext) async throws -> Response {
        let fields = try await server.fields(of: request, context)
        return .json(try description(of: server.model(), fields))
    }

    /// What `show` tells of the model that a request names.
    ///
    /// It is apart, and `show` asks for the model last, because the optimiser of Swift 6.3.1 crashes otherwise.
    @inline(never)
    private func description(
        of model: ServedModel, _ fields: JSONFields
    ) throws(APIError) -> JSONValue {
        var asked = try fields.string("model")
        if asked == nil { asked = try fields.string("name") }
        guard let asked else { throw APIError.invalid("model is missing", param: "model") }
        guard asked == model.id || asked == "\(model.id):latest" || model.name(for: asked) == asked
        else {
            throw APIError.notFound("there is no such model here; there is \(model.id)")
        }
        let config = model.llava.model.decoder.config
        return [
            "modelfile": .string("FROM \(model.id)\n"), "parameters": "", "template": "",
            "license": "", "details": Self.details(model),
            "modified_at": .string(Self.date(model.created)),
            "model_info": [
                "general.architecture": "llama",
                "llama.context_length": .integer(config.contextLength),
                "llama.block_count": .integer(config.layers.count),
                "llama.embedding_length": .integer(config.width),
            ],
            "capabilities": model.llava.seesPictures ? ["completion", "vision"] : ["completion"],
        ]
    }

    private static func entry(_ model: ServedModel) -> JSONValue {
        [
            "name": .string("\(model.id):latest"), "model": .string("\(model.id):latest"),
            "modified_at": .string(date(model.created)),
            "size": .integer(model.options.modelBytes),
            "digest": .string(ContentHash.text(of: "\(model.id) \(model.options.modelBytes)")),
            "details": details(model),
        ]
    }

    private static func details(_ model: ServedModel) -> JSONValue {
        [
            "parent_model": "", "format": "gguf", "family": "llama",
            "families": model.llava.seesPictures ? ["llama", "clip"] : ["llama"],
            "parameter_size": "",
            "quantization_level": "",
        ]
    }

    private static func date(_ date: Date) -> String { date.formatted(.iso8601) }
}
