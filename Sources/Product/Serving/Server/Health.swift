// SPDX-License-Identifier: Apache-2.0
import Hummingbird

/// What supervisors and scrapers ask.
struct Health {
    let server: ServerState

    /// Whether requests are taken.
    func readiness(_ request: Request, _ context: ServerContext) throws -> Response {
        if case .loading(let done) = server.current {
            var error = APIError.unavailable("Loading model")
            error.facts = ["loaded": .seconds(done)]
            throw error
        }
        _ = try server.model()
        return .json(["status": "ok"])
    }

    /// Whether the process lives.
    func liveness(_ request: Request, _ context: ServerContext) -> Response {
        .json(["status": "ok"])
    }

    func metrics(_ request: Request, _ context: ServerContext) -> Response {
        .text(
            server.metrics.text(server.status), type: "text/plain; version=0.0.4; charset=utf-8")
    }
}
