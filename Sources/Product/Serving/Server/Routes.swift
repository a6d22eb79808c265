// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Hummingbird
import Logging

/// Where requests go.
enum Routes {
    typealias Handler = @Sendable (Request, ServerContext) async throws -> Response

    /// A path, a method, and who answers.
    struct Route: Sendable {
        let method: HTTPRequest.Method
        /// The path, in which a component that begins with a colon stands for any.
        let path: String
        let handler: Handler

        init(_ method: HTTPRequest.Method, _ path: String, _ handler: @escaping Handler) {
            (self.method, self.path, self.handler) = (method, path, handler)
        }

        /// Whether the route is for requests with a path.
        func matches(_ requested: String) -> Bool {
            let parts = path.split(separator: "/")
            let others = requested.split(separator: "/")
            return parts.count == others.count
                && zip(parts, others).allSatisfy { $0.hasPrefix(":") || $0 == $1 }
        }
    }

    /// What supervisors and scrapers ask for every few seconds.
    static let ofSupervisors: Set<String> = ["/health", "/v1/health", "/livez", "/metrics"]

    /// Everything that a server answers.
    static func all(_ server: ServerState) -> [Route] {
        let (health, models) = (Health(server: server), Models(server: server))
        let chat = ChatCompletions(server: server)
        let (completions, page) = (Completions(server: server), Page())
        let messages = Messages(server: server)
        let (ollama, ollamaModels) = (
            OllamaAnswers(server: server), OllamaModels(server: server)
        )
        var routes = [
            Route(.get, "/", page.answer), Route(.get, "/index.html", page.answer),
            Route(.get, "/openapi.json", OpenAPIDocument().answer),
            Route(.get, "/health", health.readiness), Route(.get, "/v1/health", health.readiness),
            Route(.get, "/livez", health.liveness), Route(.get, "/metrics", health.metrics),
            Route(.post, "/v1/messages", messages.answer),
            Route(.post, "/v1/messages/count_tokens", messages.countTokens),
            Route(.get, "/api/version", ollamaModels.version),
            Route(.get, "/api/tags", ollamaModels.tags),
            Route(.get, "/api/ps", ollamaModels.running),
            Route(.post, "/api/show", ollamaModels.show),
            Route(.post, "/api/chat", ollama.chat), Route(.post, "/api/generate", ollama.generate),
        ]
        for prefix in ["/v1", ""] {
            routes += [
                Route(.get, "\(prefix)/models", models.list),
                Route(.get, "\(prefix)/models/:id", models.model),
                Route(.post, "\(prefix)/chat/completions", chat.answer),
                Route(.post, "\(prefix)/completions", completions.answer),
                Route(.post, "\(prefix)/chat/completions/input_tokens", chat.countTokens),
            ]
        }
        return routes
    }

    /// What requests pass on their way to their handlers, and back.
    static func router(_ server: ServerState, log: Logger) -> Router<ServerContext> {
        let options = server.options
        let router = Router(context: ServerContext.self, options: .autoGenerateHeadEndpoints)
        let routes = all(server)
        router.add(
            middleware: AccessLog(
                log: log, metrics: server.metrics, connections: server.connections, routes: routes))
        router.add(
            middleware: HostCheck(
                isLocal: options.address.isLocal, ownName: options.address.hostName,
                origins: options.origins))
        router.add(middleware: CrossOrigin(origins: options.origins))
        router.add(middleware: KeyCheck(keys: options.keys))
        for route in routes {
            router.on(RouterPath(route.path), method: route.method, use: route.handler)
        }
        return router
    }

    /// The error of a request that none of the routes is for: there is nothing at the path, or not by this method.
    static func refusal(of request: Request, _ routes: [Route]) -> APIError {
        let methods = routes.filter { $0.matches(request.uri.path) }.map(\.method.rawValue)
        guard !methods.isEmpty else { return .notFound("there is nothing at this path") }
        let allowed = Set(methods + (methods.contains("GET") ? ["HEAD"] : []) + ["OPTIONS"])
        return APIError(
            status: .methodNotAllowed, type: "invalid_request_error", code: "method_not_allowed",
            message: "this path takes \(allowed.sorted().joined(separator: ", "))",
            headers: [.allow: allowed.sorted().joined(separator: ", ")])
    }
}
