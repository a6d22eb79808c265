// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Hummingbird

/// Lets pages of some other origins read answers (Fetch standard, CORS).
struct CrossOrigin: RouterMiddleware {
    /// The origins as browsers write them; `*` for all.
    let origins: [String]

    func handle(
        _ request: Request, context: ServerContext,
        next: (Request, ServerContext) async throws -> Response
    ) async throws -> Response {
        guard let origin = request.headers[.origin] else { return try await next(request, context) }
        let allowed = origins.contains("*") ? "*" : origins.contains(origin) ? origin : nil
        var response: Response
        // A browser asks for leave without the key that it will send.
        if request.method == .options {
            response = Response(status: .noContent)
            if allowed != nil {
                response.headers[.accessControlAllowMethods] = "GET, POST, HEAD, OPTIONS"
                response.headers[.accessControlAllowHeaders] =
                    request.headers[.accessControlRequestHeaders] ?? "authorization, content-type"
                response.headers[.accessControlMaxAge] = "600"
            }
        } else {
            do {
                response = try await next(request, context)
            } catch let error as APIError {
                response = error.response(Dialect(path: request.uri.path))
            }
        }
        response.headers[.accessControlAllowOrigin] = allowed
        if allowed != nil {
            response.headers[.accessControlExposeHeaders] = "x-request-id, retry-after"
        }
        response.headers[.vary] = "Origin"
        return response
    }
}
