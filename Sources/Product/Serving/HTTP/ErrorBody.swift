// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import Hummingbird

/// Whose API a path belongs to, which decides the form of errors.
enum Dialect: Sendable {
    case openAI
    case ollama
    case anthropic

    init(path: String) {
        if path.hasPrefix("/api/") {
            self = .ollama
        } else if path.hasPrefix("/v1/messages") {
            self = .anthropic
        } else {
            self = .openAI
        }
    }
}

extension APIError {
    /// The document that tells a client.
    func body(_ dialect: Dialect) -> JSONValue {
        switch dialect {
        case .ollama:
            return ["error": .string(message)]
        case .anthropic:
            return [
                "type": "error",
                "error": ["type": .string(anthropicType), "message": .string(message)],
            ]
        case .openAI:
            var error: JSONValue = [
                "message": .string(message), "type": .string(type), "param": .optional(param),
                "code": code.map { .string($0) } ?? .integer(status.code),
            ]
            for (name, value) in facts { error[name] = value }
            return ["error": error]
        }
    }

    private var anthropicType: String {
        switch status.code {
        case 401: "authentication_error"
        case 403: "permission_error"
        case 404, 405: "not_found_error"
        case 413: "request_too_large"
        case 429: "rate_limit_error"
        case 503: "overloaded_error"
        case 500...: "api_error"
        default: "invalid_request_error"
        }
    }

    /// The answer to a request.
    func response(_ dialect: Dialect) -> Response {
        var response = Response.json(body(dialect), status: status)
        for field in headers { response.headers[field.name] = field.value }
        if let retryAfter { response.headers[.retryAfter] = "\(retryAfter)" }
        // Clients would otherwise do all the work again twice.
        if status.code == 500 { response.headers[.shouldRetry] = "false" }
        return response
    }
}

extension HTTPField.Name {
    /// Whether a client of OpenAI's makes the request again.
    static let shouldRetry = written("x-should-retry")
    /// What a request is known by in the log.
    static let requestID = written("x-request-id")
    /// Whether a proxy keeps parts of an answer back.
    static let accelBuffering = written("x-accel-buffering")
    /// Where a key is given that is not in `Authorization`.
    static let apiKey = written("x-api-key")
    /// Where the page comes from that makes a request.
    static let fetchSite = written("sec-fetch-site")
    /// How much of the page's address other servers are told.
    static let referrerPolicy = written("referrer-policy")

    private static func written(_ name: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(name) else { preconditionFailure("\(name) is no name") }
        return name
    }
}

extension Response {
    /// A JSON document.
    static func json(_ value: JSONValue, status: HTTPResponse.Status = .ok) -> Response {
        var body = ByteBuffer(bytes: value.line)
        body.writeStaticString("\n")
        return Response(
            status: status, headers: [.contentType: "application/json; charset=utf-8"],
            body: ResponseBody(byteBuffer: body))
    }

    /// A text.
    static func text(
        _ text: String, type: String = "text/plain; charset=utf-8",
        status: HTTPResponse.Status = .ok
    ) -> Response {
        Response(
            status: status, headers: [.contentType: type],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
