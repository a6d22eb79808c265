// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hummingbird
import NIOCore
import NIOSSL
import TrimLLaVA

/// Where a server listens, once it does.
public struct ListeningAddress: Sendable, Equatable {
    /// The address of the page; nil for a socket in the file system.
    public let url: String?
    /// The host that it was started with.
    public let host: String?
    /// The port.
    public let port: Int?
    /// The path of the socket.
    public let unixSocket: String?

    init(_ channel: any Channel, _ options: ServingOptions) {
        switch options.address {
        case .host(let host, let port):
            let bound = channel.localAddress?.port ?? port
            let shown = host.contains(":") ? "[\(host)]" : host
            url = "\(options.certificate == nil ? "http" : "https")://\(shown):\(bound)/"
            (self.host, self.port, unixSocket) = (host, bound, nil)
        case .unixSocket(let path):
            (url, host, port, unixSocket) = (nil, nil, nil, path)
        }
    }

    /// One line for programs that start a server.
    public var line: String {
        var value: JSONValue = [
            "event": "listening", "version": .string(Release.version),
            "pid": .integer(Int(ProcessInfo.processInfo.processIdentifier)),
        ]
        value["url"] = url.map { .string($0) }
        value["host"] = host.map { .string($0) }
        value["port"] = port.map { .integer($0) }
        value["unix_socket"] = unixSocket.map { .string($0) }
        return String(decoding: value.line, as: UTF8.self)
    }
}

extension ServingOptions.Address {
    var bindAddress: BindAddress {
        switch self {
        case .host(let host, let port): .hostname(host, port: port)
        case .unixSocket(let path): .unixDomainSocket(path: path)
        }
    }

    var hostName: String? { if case .host(let host, _) = self { host } else { nil } }

    /// Whether only this machine can connect by a name or an address.
    var isLocal: Bool {
        guard case .host(let host, _) = self else { return false }
        return host == "localhost" || host == "::1" || host.hasPrefix("127.")
    }
}

extension ServingOptions.Certificate {
    func configuration() throws(ServingError) -> TLSConfiguration {
        let chain: [NIOSSLCertificateSource]
        do {
            chain = try NIOSSLCertificate.fromPEMFile(self.chain).map { .certificate($0) }
        } catch {
            throw .certificate(file: self.chain, reason: "\(error)")
        }
        guard !chain.isEmpty else {
            throw .certificate(file: self.chain, reason: "it has no certificate in PEM")
        }
        do {
            return .makeServerConfiguration(
                certificateChain: chain,
                privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem)))
        } catch {
            throw .certificate(file: key, reason: "\(error)")
        }
    }
}
