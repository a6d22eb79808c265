// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A golden run of a tiny model: what tools/make-golden-models recorded from transformers.
public struct GoldenCase: Sendable, CustomStringConvertible {
    /// The content of `case.json`.
    public struct Facts: Codable, Sendable {
        /// File names below `models/pictures`.
        public let pictures: [String]
        /// `pad`, `crop`, `anyres`, `idefics3` and the like, or `video`, whose frames the pictures are.
        public let layout: String
        /// Pixels of a picture's longer side, where the layout resizes to some.
        public let longestEdge: Int?
        /// The exact prompt, with `<image>` where a picture stands.
        public let prompt: String
        /// The model's context in rows, which decides between a longrope model's factors.
        public let context: Int
        /// Greedy tokens recorded.
        public let steps: Int
        /// The smallest distance between the two best logits of a step.
        public let minimumMargin: Double
    }

    /// The model's folder below `models`.
    public let model: String
    /// The case's folder below the model's.
    public let name: String

    /// Every case that was recorded.
    public static let all: [GoldenCase] = {
        let root = Fixture.path("models")
        let files = FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []
        return files.filter { $0.hasSuffix("/case.json") }.sorted().map { file in
            let parts = file.split(separator: "/")
            return GoldenCase(model: String(parts[0]), name: String(parts[1]))
        }
    }()

    /// The path of the model's text file.
    public var textPath: String { Fixture.path("models/\(model)/\(model)-f32.gguf") }
    /// The path of the model's vision tower and projector.
    public var projectorPath: String { Fixture.path("models/\(model)/\(model)-mmproj-f32.gguf") }

    /// The content of `case.json`.
    public func facts() throws -> Facts {
        try JSONDecoder().decode(
            Facts.self, from: Data(Fixture.bytes("models/\(model)/\(name)/case.json")))
    }

    /// The paths of the case's pictures.
    public func picturePaths() throws -> [String] {
        try facts().pictures.map { Fixture.path("models/pictures/\($0)") }
    }

    /// A recorded stage; nil if the case does not have it.
    public func stage(_ stage: String) throws -> NPYArray? {
        let file = "models/\(model)/\(name)/\(stage).npy"
        guard FileManager.default.fileExists(atPath: Fixture.path(file)) else { return nil }
        return try NPYArray(fixture: file)
    }
}

extension GoldenCase {
    /// Its name in test results.
    public var description: String { "\(model)/\(name)" }
}
