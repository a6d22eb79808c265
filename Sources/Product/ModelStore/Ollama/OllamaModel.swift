// SPDX-License-Identifier: Apache-2.0

/// A model as ollama names it: `[[HOST/]NAMESPACE/]NAME[:TAG]`.
public struct OllamaModel: Sendable, Hashable {
    /// The parts of the manifest's path: host, namespace, name and tag.
    let path: [String]

    private static let usualHost = "registry.ollama.ai"
    private static let usualNamespace = "library"
    private static let usualTag = "latest"

    /// Reads a name.
    ///
    /// - Throws: `ModelStoreError.badName`.
    init(_ text: some StringProtocol) throws(ModelStoreError) {
        var parts = String(text).split(separator: "/", omittingEmptySubsequences: false)
            .map { String($0) }
        let last = parts.removeLast()
            .split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            .map { String($0) }
        parts += last.count == 2 ? last : last + [Self.usualTag]
        if parts.count == 2 { parts.insert(Self.usualNamespace, at: 0) }
        if parts.count == 3 { parts.insert(Self.usualHost, at: 0) }
        guard Self.isPath(parts) else {
            throw .badName(name: "ollama:\(text)", expected: "ollama:NAME or ollama:NAME:TAG")
        }
        path = parts
    }

    /// The model of a manifest's path; nil if it does not have the four parts.
    init?(manifest parts: [String]) {
        guard Self.isPath(parts) else { return nil }
        path = parts
    }

    /// Four names of letters, digits, `-`, `_`, `.` and a host's `:`, none of which leads out of the store.
    private static func isPath(_ parts: [String]) -> Bool {
        parts.count == 4
            && parts.enumerated().allSatisfy { index, part in
                let allowed = index == 0 ? "-_.:" : "-_."
                return !part.isEmpty && !part.hasPrefix(".")
                    && part.unicodeScalars.allSatisfy {
                        $0.isAlphanumeric || allowed.unicodeScalars.contains($0)
                    }
            }
    }
}

extension OllamaModel: CustomStringConvertible {
    /// The name as ollama prints it, without the usual host and namespace.
    public var description: String {
        var parts = path[...]
        if parts.first == Self.usualHost {
            parts.removeFirst()
            if parts.first == Self.usualNamespace { parts.removeFirst() }
        }
        return parts.dropLast().joined(separator: "/") + ":\(path[3])"
    }
}
