// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Hummingbird
import Logging
import Synchronization
import TrimLLaVA

/// The outermost part of the server: names requests, turns errors into answers, and logs and counts each request when
/// its answer is written.
struct AccessLog: RouterMiddleware {
    let log: Logger
    let metrics: Metrics
    let connections: Connections
    let routes: [Routes.Route]
    private let noted = Once()

    init(log: Logger, metrics: Metrics, connections: Connections, routes: [Routes.Route]) {
        (self.log, self.metrics) = (log, metrics)
        (self.connections, self.routes) = (connections, routes)
    }

    func handle(
        _ request: Request, context: ServerContext,
        next: (Request, ServerContext) async throws -> Response
    ) async throws -> Response {
        let id = Self.id(of: request)
        context.exchange.update { $0.id = id }
        metrics.requestBegan()
        var response: Response
        do {
            response = try await next(request, context)
        } catch {
            response = apiError(error, request, context)
                .response(Dialect(path: request.uri.path))
        }
        response.headers[.requestID] = id
        response.headers[.xContentTypeOptions] = "nosniff"
        if response.headers[.cacheControl] == nil { response.headers[.cacheControl] = "no-store" }
        let status = response.status
        if let length = response.body.contentLength {
            context.exchange.update { $0.bytes = length }
            finish(request, context, status, isWritten: false)
            return response
        }
        let body = response.body
        response.body = ResponseBody { writer in
            var isWritten = false
            defer { finish(request, context, status, isWritten: isWritten) }
            try await body.write(writer)
            isWritten = true
        }
        return response
    }

    /// The client's own name for the request, if it is one to be logged, or a new one.
    private static func id(of request: Request) -> String {
        let isSane = { (character: Character) in
            character.isASCII
                && (character.isLetter || character.isNumber || "._-".contains(character))
        }
        if let given = request.headers[.requestID], (1...64).contains(given.utf8.count),
            given.allSatisfy(isSane)
        {
            return given
        }
        return "req_" + Identifier.random()
    }

    private func apiError(
        _ error: any Error, _ request: Request, _ context: ServerContext
    ) -> APIError {
        switch error {
        case let error as APIError: return error
        case let error as LLaVAError: return APIError(error)
        case let error as any HTTPResponseError where error.status == .notFound:
            return Routes.refusal(of: request, routes)
        case let error as any HTTPResponseError where error.status.code < 500:
            return .invalid("the request cannot be read: \(error.status.reasonPhrase)")
        default:
            // What it says may come from the request.
            log.error("a request failed", metadata: ["kind": "\(type(of: error))"])
            return .server("the request failed")
        }
    }

    /// - Parameter isWritten: whether the whole body was written; a client may leave as soon as it has it.
    private func finish(
        _ request: Request, _ context: ServerContext, _ status: HTTPResponse.Status,
        isWritten: Bool
    ) {
        let facts = context.exchange.current
        let isWhole = isWritten && facts.lateError == nil
        let isGone =
            !isWhole && connections.connection(on: context.exchange.channel)?.isGone ?? true
        let route = context.endpointPath ?? "none"
        let code = isGone ? 499 : facts.lateError?.status.code ?? status.code
        metrics.requestEnded(
            route: route, status: code, seconds: context.exchange.seconds, facts.answers)
        let level: Logger.Level = Routes.ofSupervisors.contains(route) ? .debug : .info
        log.log(
            level: level, "request",
            metadata: Self.metadata(request, context.exchange, route: route, status: code))
        if let note = facts.answers.note, noted.isFirst() {
            log.notice("\(note)", metadata: ["id": "\(facts.id)"])
        }
    }

    private static func metadata(
        _ request: Request, _ exchange: Exchange, route: String, status: Int
    ) -> Logger.Metadata {
        let facts = exchange.current
        var metadata: Logger.Metadata = [
            "id": "\(facts.id)", "method": "\(request.method.rawValue)", "route": "\(route)",
            "status": "\(status)", "bytes": "\(facts.bytes)",
            "ms": "\(Int(exchange.seconds * 1000))",
        ]
        let answers = facts.answers
        guard !answers.finishReasons.isEmpty else { return metadata }
        let costs = answers.costs
        for (name, seconds) in [
            ("queued_ms", answers.queuedSeconds), ("vision_ms", costs.visionSeconds),
            ("prefill_ms", costs.prefillSeconds), ("decode_ms", costs.decodeSeconds),
        ] {
            metadata[name] = "\(Int(seconds * 1000))"
        }
        metadata["prompt_tokens"] = "\(costs.promptTokens)"
        metadata["tokens"] = "\(costs.generatedTokens)"
        metadata["cached"] = "\(costs.cachedTokens)"
        metadata["kept"] = "\(costs.keptTokens)/\(costs.visualTokens)"
        metadata["end"] = "\(answers.finishReasons.joined(separator: ","))"
        return metadata
    }
}

/// Something that is said once, whatever there is to say later.
private final class Once: Sendable {
    private let isDone = Atomic(false)

    /// Whether nobody has asked before.
    func isFirst() -> Bool { !isDone.exchange(true, ordering: .relaxed) }
}

/// Names that nobody guesses.
enum Identifier {
    /// 24 random hexadecimal digits.
    static func random() -> String {
        let digits = Array("0123456789abcdef")
        return String((0..<24).map { _ in digits[Int.random(in: 0..<16)] })
    }
}
