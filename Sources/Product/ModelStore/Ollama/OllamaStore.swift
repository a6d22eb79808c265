// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation

/// The models that ollama has fetched, read where they lie.
struct OllamaStore {
    /// The stores that may exist, the first before the others.
    let folders: [String]

    /// The files of a model.
    ///
    /// - Throws: `ModelStoreError` with the manifest and what is wrong with it or its blobs.
    func files(of model: OllamaModel) throws(ModelStoreError) -> ModelFiles {
        let manifests = folders.map { "\($0)/manifests/\(model.path.joined(separator: "/"))" }
        for (folder, path) in zip(folders, manifests) where FileStatus(FilePath(path)) != nil {
            return try files(of: model, try OllamaManifest(path: path), in: folder)
        }
        throw .ollamaModelMissing(name: "\(model)", manifests: manifests)
    }

    private func files(
        of model: OllamaModel, _ manifest: OllamaManifest, in folder: String
    ) throws(ModelStoreError) -> ModelFiles {
        guard let text = manifest.layer(OllamaManifest.modelType) else {
            throw .ollamaManifest(
                file: manifest.path,
                problem: "names no weights, expected a layer of \(OllamaManifest.modelType)")
        }
        let projector = manifest.layer(OllamaManifest.projectorType)
        return ModelFiles(
            name: "\(ModelName.ollama(model))", text: try blob(text, manifest, folder),
            projector: try projector.map { layer throws(ModelStoreError) in
                try blob(layer, manifest, folder)
            }, place: manifest.path)
    }

    /// The file of a layer, which must have the size that the manifest says.
    private func blob(
        _ layer: OllamaManifest.Layer, _ manifest: OllamaManifest, _ folder: String
    ) throws(ModelStoreError) -> String {
        guard layer.digest.wholeMatch(of: /sha256[:-][0-9a-f]{64}/) != nil else {
            throw .ollamaManifest(
                file: manifest.path,
                problem: "has the digest '\(layer.digest)', expected sha256: and 64 digits")
        }
        // Versions before 0.1.33 wrote a colon into the name.
        let names = ["sha256-\(layer.digest.dropFirst(7))", "sha256:\(layer.digest.dropFirst(7))"]
        let paths = names.map { "\(folder)/blobs/\($0)" }
        guard let path = paths.first(where: { FileStatus(FilePath($0))?.kind == .file }) else {
            throw .ollamaBlob(
                manifest: manifest.path, blob: paths[0],
                problem: "cannot be read: \(systemReason(ENOENT))")
        }
        let size = FileStatus(FilePath(path))?.version.size
        guard size == layer.size else {
            throw .ollamaBlob(
                manifest: manifest.path, blob: path,
                problem: "has \(size ?? 0) bytes, expected \(layer.size)")
        }
        return path
    }

    /// All models with weights whose files are there, in the order of their names.
    func models() -> [StoredModel] {
        var seen: Set<OllamaModel> = []
        return folders.flatMap { folder -> [StoredModel] in
            let manifests = "\(folder)/manifests"
            let paths = (try? FileManager.default.subpathsOfDirectory(atPath: manifests)) ?? []
            return paths.sorted().compactMap { path in
                guard
                    let model = OllamaModel(manifest: path.split(separator: "/").map(String.init)),
                    let manifest = try? OllamaManifest(path: "\(manifests)/\(path)"),
                    let files = try? files(of: model, manifest, in: folder),
                    seen.insert(model).inserted
                else { return nil }
                return StoredModel(
                    files, quantisation: quantisation(manifest, in: folder), parts: [files.text])
            }
        }
    }

    /// What the model's configuration says of its format, such as `Q4_0`.
    private func quantisation(_ manifest: OllamaManifest, in folder: String) -> String? {
        struct Configuration: Decodable { let file_type: String? }
        guard let layer = manifest.config, let path = try? blob(layer, manifest, folder),
            let data = FileManager.default.contents(atPath: path)
        else { return nil }
        return try? JSONDecoder().decode(Configuration.self, from: data).file_type
    }
}
