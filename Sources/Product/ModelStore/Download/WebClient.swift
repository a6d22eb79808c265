// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import Synchronization

/// Asks servers by HTTP: through the right proxy, along redirects, with the token for the first server alone.
final class WebClient: Sendable {
    /// What a server answered.
    struct Answer {
        /// Where it came from, after redirects.
        let url: URL
        let status: Int
        let headers: HTTPHeaders
        let body: HTTPClientResponse.Body

        /// A header's value.
        subscript(name: String) -> String? { headers.first(name: name) }
    }

    private static let mostRedirects = 10
    private static let connectTimeout = TimeAmount.seconds(15)

    private let endpoint: URL
    private let token: String?
    private let proxies: ProxySettings
    private let silence: TimeAmount
    private let clients = Mutex<[ProxySettings.Proxy?: HTTPClient]>([:])

    /// - Parameter silence: the time after which a server that sends nothing is given up.
    init(_ settings: StoreSettings, silence: TimeAmount) {
        endpoint = settings.endpoint
        token = settings.token
        proxies = settings.proxies
        self.silence = silence
    }

    /// Closes all connections.
    func close() async {
        let open = clients.withLock { clients in
            defer { clients = [:] }
            return Array(clients.values)
        }
        for client in open { try? await client.shutdown() }
    }

    /// Sends a request.
    ///
    /// - Parameters:
    ///   - first: the first byte that is wanted; nil for all.
    ///   - isEnough: whether a redirect is the result itself, by its answer and whether it leads to another server.
    /// - Throws: `DownloadFault` where another try may help; `ModelStoreError.badAnswer`.
    func ask(
        _ method: HTTPMethod, _ url: URL, from first: Int? = nil,
        isEnough: (_ answer: Answer, _ leadsAway: Bool) -> Bool = { _, _ in false }
    ) async throws -> Answer {
        var url = url
        for _ in 0...Self.mostRedirects {
            let answer = try await send(method, url, from: first)
            guard (300..<400).contains(answer.status), let location = answer["Location"] else {
                return answer
            }
            guard let next = URL(string: location, relativeTo: url)?.absoluteURL,
                next.scheme == "https" || next.scheme == "http" && url.scheme == "http"
            else {
                throw ModelStoreError.badAnswer(
                    address: url.absoluteString,
                    problem: "redirects to '\(location)', expected https://…")
            }
            if isEnough(answer, !Self.isSameServer(next, url)) { return answer }
            url = next
        }
        throw ModelStoreError.badAnswer(
            address: url.absoluteString, problem: "redirects more than \(Self.mostRedirects) times")
    }

    private func send(_ method: HTTPMethod, _ url: URL, from first: Int?) async throws -> Answer {
        var request = HTTPClientRequest(url: url.absoluteString)
        request.method = method
        request.headers.add(name: "User-Agent", value: "trimllava")
        // A compressed answer would have other lengths than the file.
        request.headers.add(name: "Accept-Encoding", value: "identity")
        if let first { request.headers.add(name: "Range", value: "bytes=\(first)-") }
        if let token, Self.isSameServer(url, endpoint) {
            request.headers.add(name: "Authorization", value: "Bearer \(token)")
        }
        do {
            let response = try await client(for: url).execute(request, deadline: .distantFuture)
            return Answer(
                url: url, status: Int(response.status.code), headers: response.headers,
                body: response.body)
        } catch {
            try Task.checkCancellation()
            throw DownloadFault(error, server: Self.server(of: url))
        }
    }

    private func client(for url: URL) -> HTTPClient {
        let proxy = proxies.proxy(for: url)
        return clients.withLock { clients in
            if let client = clients[proxy] { return client }
            var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
            configuration.timeout = HTTPClient.Configuration.Timeout(
                connect: Self.connectTimeout, read: silence)
            configuration.httpVersion = .http1Only
            configuration.connectionPool.retryConnectionEstablishment = false
            configuration.proxy = proxy.map(Self.configured)
            let client = HTTPClient(
                eventLoopGroupProvider: .singleton, configuration: configuration)
            clients[proxy] = client
            return client
        }
    }

    private static func configured(_ proxy: ProxySettings.Proxy) -> HTTPClient.Configuration.Proxy {
        guard !proxy.isSOCKS else { return .socksServer(host: proxy.host, port: proxy.port) }
        let authorization = proxy.user.map { user in
            HTTPClient.Authorization.basic(username: user, password: proxy.password ?? "")
        }
        return .server(host: proxy.host, port: proxy.port, authorization: authorization)
    }

    private static func isSameServer(_ left: URL, _ right: URL) -> Bool {
        server(of: left) == server(of: right)
    }

    /// Scheme, host and port of an address.
    static func server(of url: URL) -> String {
        let port = url.port ?? (url.scheme == "http" ? 80 : 443)
        return "\(url.scheme ?? "")://\(url.host()?.lowercased() ?? ""):\(port)"
    }
}
