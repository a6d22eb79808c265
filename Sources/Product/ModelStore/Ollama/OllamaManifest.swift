// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation

/// A manifest in ollama's store: which blobs make a model.
///
/// https://github.com/ollama/ollama, `server/manifest.go` and `server/layer.go`.
struct OllamaManifest {
    /// A part of a model, in a file of its own.
    struct Layer: Decodable, Equatable {
        let mediaType: String
        /// Such as `sha256:8eeb52df…`.
        let digest: String
        let size: Int
    }

    private struct Content: Decodable {
        let config: Layer?
        let layers: [Layer]
    }

    static let modelType = "application/vnd.ollama.image.model"
    static let projectorType = "application/vnd.ollama.image.projector"
    /// The longest manifest that is read.
    private static let longest = 1 << 20

    let path: String
    let config: Layer?
    let layers: [Layer]

    /// Reads a manifest.
    ///
    /// - Throws: `ModelStoreError.ollamaManifest`.
    init(path: String) throws(ModelStoreError) {
        self.path = path
        guard let size = FileStatus(FilePath(path))?.version.size else {
            throw .ollamaManifest(file: path, problem: "cannot be read: \(systemReason())")
        }
        guard size <= Self.longest, let data = FileManager.default.contents(atPath: path) else {
            throw .ollamaManifest(
                file: path, problem: "cannot be read, expected at most \(Self.longest) bytes")
        }
        do {
            let content = try JSONDecoder().decode(Content.self, from: data)
            (config, layers) = (content.config, content.layers)
        } catch {
            throw .ollamaManifest(
                file: path, problem: "is not a manifest of ollama, expected JSON with 'layers'")
        }
    }

    /// The first layer of a type.
    func layer(_ type: String) -> Layer? { layers.first { $0.mediaType == type } }
}
