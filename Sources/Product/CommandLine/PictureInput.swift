// SPDX-License-Identifier: Apache-2.0
import Foundation
import Imaging
import TrimLLaVA

/// Decoded pictures and frames of a video, their names, and the time that decoding took.
struct PictureInput {
    private(set) var pictures: [Picture] = []
    private(set) var names: [String] = []
    private(set) var frames: [Picture] = []
    private(set) var seconds = 0.0

    /// Whether to turn pictures as their EXIF orientation says.
    let orients: Bool
    /// What becomes of transparent pictures.
    let transparency: Transparency

    /// No pictures yet.
    init(orients: Bool, transparency: Transparency) {
        (self.orients, self.transparency) = (orients, transparency)
    }

    /// Decodes a file; `-` is standard input.
    mutating func load(_ path: String) throws(ImagingError) {
        pictures.append(try decoded(path))
        names.append(path)
    }

    /// Decodes a file that is a frame of the video.
    mutating func load(frame path: String) throws(ImagingError) {
        frames.append(try decoded(path))
    }

    private mutating func decoded(_ path: String) throws(ImagingError) -> Picture {
        let start = ContinuousClock.now
        defer { seconds += (ContinuousClock.now - start) / .seconds(1) }
        return try PictureDecoder.load(
            path: path, applyOrientation: orients, transparency: transparency)
    }

    /// Forgets all pictures.
    mutating func removeAll() { self = PictureInput(orients: orients, transparency: transparency) }
}

/// Parses file names as people type them and as terminals write files that are dropped on them.
enum TypedPaths {
    private static let urlStart = "file://"

    /// The paths that a text names.
    ///
    /// The text itself, if such a file exists or it has neither quotes nor backslashes; otherwise its words,
    /// split as a shell does.
    static func paths(
        in text: String, exists: (String) -> Bool = FileManager.default.fileExists(atPath:)
    ) -> [String] {
        let whole = (text as NSString).expandingTildeInPath
        let isPlain = !text.contains { "'\"\\".contains($0) } && !text.hasPrefix(urlStart)
        guard !isPlain, !exists(whole) else { return [whole] }
        // In a URL a quote is an ordinary character.
        if text.hasPrefix(urlStart) {
            return text.split(whereSeparator: \.isWhitespace).map { expanded(String($0)) }
        }
        return words(of: text) ?? [whole]
    }

    /// Splits a text into words and removes quotes and backslashes as a shell does; nil if a quote is not closed.
    private static func words(of text: String) -> [String]? {
        var words: [String] = []
        var word: String?
        var quote: Character?
        var rest = Substring(text)
        while let character = rest.popFirst() {
            switch (character, quote) {
            case (let end, let open?) where end == open: quote = nil
            case ("\\", nil), ("\\", "\""):
                // Between double quotes a backslash escapes only these.
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

    /// Expands a path's tilde, or its escapes if it is a URL.
    private static func expanded(_ path: String) -> String {
        if path.hasPrefix(urlStart), let url = URL(string: path), !url.path.isEmpty {
            return url.path
        }
        return (path as NSString).expandingTildeInPath
    }
}
