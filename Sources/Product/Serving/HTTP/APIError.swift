// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import TrimLLaVA

/// Why a request is not answered.
///
/// Nothing that a client causes has a status of 500 or more: clients repeat such requests.
struct APIError: Error, Equatable {
    var status: HTTPResponse.Status
    /// OpenAI's name of the kind of error.
    var type: String
    /// OpenAI's name of the error, where there is one.
    var code: String?
    /// The field that it is about.
    var param: String?
    /// What is wrong, where, and what was expected.
    var message: String
    /// Numbers that belong to it.
    var facts: [String: JSONValue] = [:]
    /// Seconds after which the request may be made again.
    var retryAfter: Int?
    var headers: HTTPFields = [:]

    /// A request that is wrong in itself.
    static func invalid(
        _ message: String, param: String? = nil, code: String? = nil
    ) -> APIError {
        APIError(
            status: .badRequest, type: "invalid_request_error", code: code, param: param,
            message: message)
    }

    /// Something that is right, but not done here.
    static func unsupported(_ message: String, param: String) -> APIError {
        invalid(message, param: param, code: "unsupported_parameter")
    }

    static func notFound(_ message: String, code: String? = nil) -> APIError {
        APIError(status: .notFound, type: "not_found_error", code: code, message: message)
    }

    static func tooLarge(_ message: String) -> APIError {
        APIError(
            status: .contentTooLarge, type: "invalid_request_error", code: "body_too_large",
            message: message)
    }

    /// As many requests wait as may.
    static func busy(_ message: String, retryAfter: Int) -> APIError {
        APIError(
            status: .tooManyRequests, type: "rate_limit_error", code: "queue_full",
            message: message, retryAfter: min(60, max(1, retryAfter)))
    }

    /// The server is not ready, or no longer.
    static func unavailable(_ message: String, retryAfter: Int? = 2) -> APIError {
        APIError(
            status: .serviceUnavailable, type: "unavailable_error", message: message,
            retryAfter: retryAfter)
    }

    static func server(_ message: String) -> APIError {
        APIError(status: .internalServerError, type: "server_error", message: message)
    }
}

extension APIError {
    /// The error of a request that the model refused, or could not answer.
    init(_ error: LLaVAError, param: String? = nil) {
        switch error {
        case .generation(.promptTooLong(let rows, _, _, let context)):
            self = .invalid(
                """
                this model's maximum context length is \(context) tokens, but the prompt takes \(rows); \
                give a shorter prompt or fewer pictures, or set "keep" to a smaller number
                """, param: "messages", code: "context_length_exceeded")
            facts = ["n_prompt_tokens": .integer(rows), "n_ctx": .integer(context)]
        case .generation(.positionsTooLarge(let needed, let context, _)):
            self = .invalid(
                """
                this model's maximum context length is \(context) tokens, but the prompt and its answer \
                need \(needed) positions
                """, param: "messages", code: "context_length_exceeded")
            facts = ["n_prompt_tokens": .integer(needed), "n_ctx": .integer(context)]
        case .model(.noProjector), .generation(.model(.noProjector)):
            self = .invalid(
                """
                this model has no vision projector, which pictures need: it reads text alone, until the server is \
                started with --mmproj
                """, param: param ?? "messages", code: "pictures_unsupported")
        case .generation(.queueFull):
            self = .busy("too many requests are waiting", retryAfter: 5)
        case .generation(.closed):
            self = .unavailable("the server is shutting down")
        case .generation(.model), .model, .file, .kernels, .other:
            self = Self.fault(error)
        default:
            self = Self.refusal(error, param: param)
        }
    }

    private static func fault(_ error: LLaVAError) -> APIError {
        switch error.kind {
        case .cancelled: .unavailable("the request was cancelled")
        case .outOfMemory: .unavailable("\(error)", retryAfter: 10)
        case .badInput, .tooLong, .unsupported, .busy, .internal: .server("\(error)")
        }
    }

    private static func refusal(_ error: LLaVAError, param: String?) -> APIError {
        switch error.kind {
        case .outOfMemory: .unavailable("\(error)", retryAfter: 10)
        case .internal: .server("\(error)")
        case .badInput, .tooLong, .unsupported, .cancelled, .busy:
            .invalid("\(error)", param: param)
        }
    }
}
