// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hummingbird
import TokenPruning
import TrimLLaVA

/// `GET /v1/models` and `GET /v1/models/{id}`.
struct Models {
    let server: ServerState

    func list(_ request: Request, _ context: ServerContext) throws -> Response {
        .json(["object": "list", "data": [Self.entry(try server.model())]])
    }

    func model(_ request: Request, _ context: ServerContext) throws -> Response {
        let model = try server.model()
        let asked = context.parameters.get("id") ?? ""
        let name = asked.removingPercentEncoding ?? asked
        guard name == model.id || name == model.name(for: name) && name.hasPrefix(model.id) else {
            throw APIError.notFound(
                "there is no such model here; there is \(model.id)", code: "model_not_found")
        }
        var entry = Self.entry(model)
        entry["id"] = .string(name)
        return .json(entry)
    }

    /// What is known of a model, with what a page needs besides.
    static func entry(_ model: ServedModel) -> JSONValue {
        let options = model.options
        return [
            "id": .string(model.id), "object": "model", "owned_by": "trimllava",
            "created": .integer(Int(model.created.timeIntervalSince1970)),
            "context": .integer(model.llava.context),
            "max_model_len": .integer(model.llava.context),
            "schema_version": .integer(OutputSchema.version),
            "trimllava_version": .string(Release.version),
            "capabilities": model.llava.seesPictures
                ? ["completion", "multimodal"] : ["completion"],
            "selectors": .array(TokenSelectors.names.map { .string($0) }),
            "default_selector": .string((options.pruning ?? options.defaults).selector),
            "default_keep": .optional(options.pruning.map { "\($0.budget)" }),
            "visual_tokens": .integer(model.visualTokens),
            "demonstration": .bool(options.isDemonstration),
            "parallel": .integer(model.parallel),
            "pictures": .integer(options.limits.pictures),
            "picture_bytes": .integer(options.limits.pictureBytes),
            "picture_pixels": .integer(options.limits.picturePixels),
            "body_bytes": .integer(options.limits.bodyBytes),
        ]
    }
}
