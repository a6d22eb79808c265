// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Which proxies the environment names, by the rules that curl has for them.
struct ProxySettings: Sendable, Equatable {
    /// A proxy.
    struct Proxy: Sendable, Hashable {
        let host: String
        let port: Int
        /// User and password; nil without them.
        let user: String?
        let password: String?
        /// Whether it speaks SOCKS instead of HTTP.
        let isSOCKS: Bool
    }

    /// The proxies by the scheme of the address that is asked for.
    private let proxies: [String: Proxy]
    /// Hosts that are asked directly, with or without their subdomains; `*` for all.
    private let exceptions: [String]

    /// Reads `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, in lower or upper case.
    ///
    /// - Throws: `ModelStoreError.badEnvironment`.
    init(_ environment: [String: String]) throws(ModelStoreError) {
        var proxies: [String: Proxy] = [:]
        for scheme in ["http", "https"] {
            for name in ["\(scheme)_proxy", "all_proxy"] {
                let found = [name, name.uppercased()].first { environment[$0]?.isEmpty == false }
                guard let found, let value = environment[found] else { continue }
                guard let proxy = Proxy(value) else {
                    throw .badEnvironment(
                        variable: found,
                        problem:
                            "is '\(value)', expected http://[USER:PASSWORD@]HOST:PORT or socks5://HOST:PORT"
                    )
                }
                proxies[scheme] = proxy
                break
            }
        }
        self.proxies = proxies
        exceptions = (environment["no_proxy"] ?? environment["NO_PROXY"] ?? "").lowercased()
            .split { $0 == "," || $0 == " " }.map(Self.host)
    }

    /// The proxy for an address; nil where it is asked directly.
    func proxy(for url: URL) -> Proxy? {
        let host = url.host()?.lowercased() ?? ""
        let isException = exceptions.contains { name in
            name == "*" || host == name || host.hasSuffix(".\(name)")
        }
        return isException ? nil : proxies[url.scheme?.lowercased() ?? ""]
    }

    /// The host of an exception, without a port, brackets and the dot before a domain.
    private static func host(_ exception: Substring) -> String {
        let isAddress6 = exception.count { $0 == ":" } > 1
        let host = isAddress6 ? exception : exception.prefix { $0 != ":" }
        let plain = host.filter { $0 != "[" && $0 != "]" }
        return plain.hasPrefix(".") ? String(plain.dropFirst()) : plain
    }
}

extension ProxySettings.Proxy {
    /// A proxy's address, with or without a scheme; nil for what is none.
    fileprivate init?(_ text: String) {
        let address = text.contains("://") ? text : "http://\(text)"
        guard let url = URL(string: address), let host = url.host(), !host.isEmpty else {
            return nil
        }
        switch url.scheme?.lowercased() {
        case "http": isSOCKS = false
        case "socks", "socks5", "socks5h": isSOCKS = true
        default: return nil
        }
        self.host = host
        port = url.port ?? (isSOCKS ? 1080 : 80)
        user = url.user(percentEncoded: false)
        password = url.password(percentEncoded: false)
        // SwiftNIO's SOCKS has no passwords.
        if isSOCKS, user != nil { return nil }
    }
}
