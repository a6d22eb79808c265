// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Hummingbird

/// Refuses requests that a web page makes of a browser behind its user's back.
///
/// A page can make its own name resolve to this machine (DNS rebinding), and send simple requests to any address.
struct HostCheck: RouterMiddleware {
    /// Whether only this machine can connect.
    let isLocal: Bool
    /// The name that the server was started with.
    let ownName: String?
    /// Pages that may make requests; `*` for all.
    let origins: [String]

    func handle(
        _ request: Request, context: ServerContext,
        next: (Request, ServerContext) async throws -> Response
    ) async throws -> Response {
        let authority = request.head.authority ?? ""
        if isLocal, !isAllowed(host: Self.name(in: authority)) {
            throw forbidden("the Host header names another machine than this one")
        }
        guard isAllowed(origin: request, authority) else {
            throw forbidden("pages of this origin may not make requests; --cors allows them")
        }
        return try await next(request, context)
    }

    private func forbidden(_ message: String) -> APIError {
        APIError(status: .forbidden, type: "permission_error", message: message)
    }

    private func isAllowed(origin request: Request, _ authority: String) -> Bool {
        guard let origin = request.headers[.origin] else { return true }
        if origins.contains("*") || origins.contains(origin) { return true }
        // A preflight request is answered without leave.
        if request.method == .options { return true }
        if let site = request.headers[.fetchSite] { return site == "same-origin" || site == "none" }
        return origin.split(separator: "/").last.map { $0 == authority } ?? false
    }

    /// Whether a name can only mean this machine or its network.
    private func isAllowed(host: String) -> Bool {
        let host = host.lowercased()
        if host.isEmpty || host == "localhost" || host == ownName?.lowercased() { return true }
        if origins.contains(where: { $0 == "*" || Self.name(ofOrigin: $0) == host }) { return true }
        if [".localhost", ".local", ".internal"].contains(where: host.hasSuffix) { return true }
        // Names resolve to what their owners want; addresses do not.
        let isAddress =
            host.contains(":") || host.allSatisfy { $0.isNumber || $0 == "." }
        return isAddress
    }

    /// The host of an origin such as `https://example.org:8080`.
    private static func name(ofOrigin origin: String) -> String {
        name(in: String(origin.split(separator: "/").last ?? "")).lowercased()
    }

    /// The host without its port.
    private static func name(in authority: String) -> String {
        if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") {
            return String(authority[authority.index(after: authority.startIndex)..<end])
        }
        guard let colon = authority.lastIndex(of: ":") else { return authority }
        return String(authority[..<colon])
    }
}
