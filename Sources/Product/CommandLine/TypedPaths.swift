// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Names of files as people type them, and as terminals write files that are dropped on them.
enum TypedPaths {
    private static let urlStart = "file://"

    /// The paths that a text names: itself, if there is such a file or it has neither quotes nor backslashes;
    /// else its words as a shell reads them.
    static func paths(
        in text: String, exists: (String) -> Bool = FileManager.default.fileExists(atPath:)
    ) -> [String] {
        let whole = (text as NSString).expandingTildeInPath
        let isPlain = !text.contains { "'\"\\".contains($0) } && !text.hasPrefix(urlStart)
        guard !isPlain, !exists(whole) else { return [whole] }
        // In a URL a quote stands for itself.
        if text.hasPrefix(urlStart) {
            return text.split(whereSeparator: \.isWhitespace).map { expanded(String($0)) }
        }
        return words(of: text) ?? [whole]
    }

    /// The words of a text, without quotes and backslashes that they do not protect; nil where a quote does not
    /// end.
    private static func words(of text: String) -> [String]? {
        var words: [String] = []
        var word: String?
        var quote: Character?
        var rest = Substring(text)
        while let character = rest.popFirst() {
            switch (character, quote) {
            case (let end, let open?) where end == open: quote = nil
            case ("\\", nil), ("\\", "\""):
                // Between double quotes a backslash protects these alone.
                let isKept = quote != nil && !"\"\\$`".contains(rest.first ?? " ")
                word =
                    (word ?? "") + (isKept ? "\\" : "") + (rest.popFirst().map(String.init) ?? "")
            case ("'", nil), ("\"", nil):
                quote = character
                word = word ?? ""
            case (" ", nil), ("\t", nil):
                if let word { words.append(word) }
                word = nil
            default: word = (word ?? "") + String(character)
            }
        }
        guard quote == nil else { return nil }
        if let word { words.append(word) }
        return words.map(expanded)
    }

    /// A path whose tilde and whose escapes as a URL are resolved.
    private static func expanded(_ path: String) -> String {
        if path.hasPrefix(urlStart), let url = URL(string: path), !url.path.isEmpty {
            return url.path
        }
        return (path as NSString).expandingTildeInPath
    }
}
