// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Serving

/// Where a server listens.
struct ServeAddressOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Name or address to listen on. 0.0.0.0 is every IPv4 address of this machine.",
            valueName: "host"))
    var host = "127.0.0.1"

    @Option(
        name: [.short, .long], help: ArgumentHelp("Port. 0 means a free one.", valueName: "number"))
    var port = 8080

    @Option(
        help: ArgumentHelp("Listen on this Unix socket instead.", valueName: "path"),
        completion: .file())
    var unixSocket: String?

    @Option(
        help: ArgumentHelp(
            "Certificate chain for HTTPS (PEM), the server's own first.", valueName: "file"),
        completion: .file())
    var tlsCert: String?

    @Option(
        help: ArgumentHelp("Private key of the certificate (PEM).", valueName: "file"),
        completion: .file())
    var tlsKey: String?

    /// The longest path that the system accepts for a socket, with its end.
    private static let longestSocketPath = 104

    func validate() throws {
        guard (tlsCert == nil) == (tlsKey == nil) else {
            throw ValidationError("give --tls-cert and --tls-key, or neither")
        }
        guard (0...65535).contains(port) else {
            throw ValidationError("--port is \(port), expected 0 to 65535")
        }
        if host.isEmpty { throw ValidationError("--host is empty") }
        if let unixSocket, !(1..<Self.longestSocketPath).contains(unixSocket.utf8.count) {
            throw ValidationError(
                """
                --unix-socket has \(unixSocket.utf8.count) bytes, expected 1 to \
                \(Self.longestSocketPath - 1)
                """)
        }
    }

    /// The files for HTTPS; nil for HTTP.
    var certificate: ServingOptions.Certificate? {
        guard let tlsCert, let tlsKey else { return nil }
        return ServingOptions.Certificate(chain: tlsCert, key: tlsKey)
    }

    /// Where to listen.
    ///
    /// - Throws: `ServingError` when the socket's path is in use.
    func address() throws(ServingError) -> ServingOptions.Address {
        guard let unixSocket else { return .host(host, port: port) }
        try UnixSocket.checkIsFree(unixSocket)
        return .unixSocket(path: unixSocket)
    }
}
