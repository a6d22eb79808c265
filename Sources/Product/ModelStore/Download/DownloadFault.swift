// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import FileOutput
import Foundation
import NIOCore
import NIOPosix
import NIOSSL

/// Why a request failed that may succeed when it is sent again.
struct DownloadFault: Error, Equatable {
    /// In words that finish "…: REASON".
    let reason: String
    /// The server that was asked: scheme, host and port.
    let server: String
    /// Whether there was no connection at all.
    let isUnreachable: Bool
    /// Seconds that the server asks to wait.
    let advisedWait: Double?

    init(
        reason: String, server: String, isUnreachable: Bool = false, advisedWait: Double? = nil
    ) {
        (self.reason, self.server) = (reason, server)
        (self.isUnreachable, self.advisedWait) = (isUnreachable, advisedWait)
    }

    /// The fault behind an error of the HTTP library.
    init(_ error: any Error, server: String) {
        switch error {
        case let error as NIOConnectionError:
            self.init(reason: Self.reason(error), server: server, isUnreachable: true)
        case let error as HTTPClientError where error == .connectTimeout:
            self.init(
                reason: "the server does not answer", server: server, isUnreachable: true)
        case let error as HTTPClientError where error == .readTimeout:
            self.init(reason: "the server sends nothing", server: server)
        case let error as HTTPClientError where error == .remoteConnectionClosed:
            self.init(reason: "the connection was closed", server: server)
        case let error as HTTPClientError where Self.proxyErrors.contains(error):
            self.init(
                reason: "the proxy makes no connection: \(error.shortDescription)", server: server,
                isUnreachable: true)
        case let error as HTTPClientError:
            self.init(reason: error.shortDescription, server: server)
        case is NIOSSLError, is NIOSSLExtraError, is BoringSSLError:
            self.init(
                reason: "no encrypted connection: \(error)", server: server, isUnreachable: true)
        case is ChannelError:
            self.init(reason: "the connection was closed", server: server)
        case let error as IOError:
            self.init(reason: systemReason(error.errnoCode), server: server)
        default:
            self.init(reason: "\(error)", server: server)
        }
    }

    private static let proxyErrors: [HTTPClientError] = [
        .invalidProxyResponse, .proxyAuthenticationRequired, .httpProxyHandshakeTimeout,
        .socksHandshakeTimeout,
    ]

    private static func reason(_ error: NIOConnectionError) -> String {
        let codes = error.connectionErrors.compactMap { ($0.error as? IOError)?.errnoCode }
        if let code = codes.first { return systemReason(code) }
        guard error.dnsAError == nil, error.dnsAAAAError == nil else {
            return "no address is known for \(error.host)"
        }
        return "the server does not answer"
    }

    /// The fault that a status tells, if another try may help.
    init?(status: Int, retryAfter: String?, server: String, now: Date = Date()) {
        guard [408, 425, 429].contains(status) || (500..<600).contains(status) else { return nil }
        self.init(
            reason: status == 429
                ? "the server has had too many requests (429)" : "the server answers \(status)",
            server: server, advisedWait: retryAfter.flatMap { Self.seconds($0, now) })
    }

    /// The seconds of a `Retry-After` (RFC 9110, 10.2.3): a number, or a time.
    private static func seconds(_ text: String, _ now: Date) -> Double? {
        if let seconds = Double(text), seconds.isFinite { return max(0, seconds) }
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.timeZone = TimeZone(identifier: "GMT")
        format.dateFormat = "EEE, dd MMM yyyy HH:mm:ss zzz"
        return format.date(from: text).map { max(0, $0.timeIntervalSince(now)) }
    }
}
