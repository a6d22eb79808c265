// SPDX-License-Identifier: Apache-2.0

/// A repository of models on huggingface.co, or on a server with the same addresses.
public struct HubRepository: Sendable, Hashable {
    /// The user or the organisation.
    public let owner: String
    /// The repository's name.
    public let name: String

    /// A repository; nil if one of the names has characters that the Hub does not allow.
    public init?(owner: some StringProtocol, name: some StringProtocol) {
        guard Self.isAllowed(owner), Self.isAllowed(name) else { return nil }
        (self.owner, self.name) = (String(owner), String(name))
    }

    /// A repository of the form `OWNER/NAME`.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        self.init(owner: parts[0], name: parts[1])
    }

    /// Letters, digits, `-`, `_` and `.`, and no `..` or `--`, which separates names in the cache.
    private static func isAllowed(_ name: some StringProtocol) -> Bool {
        guard (1...96).contains(name.utf8.count), !name.contains(".."), !name.contains("--"),
            let first = name.unicodeScalars.first, let last = name.unicodeScalars.last
        else { return false }
        return name.unicodeScalars.allSatisfy {
            $0.isASCII && ($0.isAlphanumeric || "-_.".unicodeScalars.contains($0))
        }
            && ![first, last].contains { $0 == "-" || $0 == "." }
    }
}

extension HubRepository: CustomStringConvertible {
    /// `OWNER/NAME`.
    public var description: String { "\(owner)/\(name)" }
}

extension Unicode.Scalar {
    /// Whether it is an ASCII letter or digit.
    var isAlphanumeric: Bool {
        switch self {
        case "a"..."z", "A"..."Z", "0"..."9": true
        default: false
        }
    }
}
