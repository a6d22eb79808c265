// SPDX-License-Identifier: Apache-2.0
import Foundation
import HubTestSupport
import TestSupport
import Testing

@testable import ModelStore

@Suite struct OllamaStoreTests {
    let folder: TemporaryFolder
    let store: ModelStore

    init() throws {
        folder = try TemporaryFolder()
        store = try ModelStore(
            environment: [
                "OLLAMA_MODELS": folder.path, "HF_HUB_CACHE": "/absent", "HOME": folder.path,
            ])
    }

    private static let modelType = "application/vnd.ollama.image.model"
    private static let projectorType = "application/vnd.ollama.image.projector"

    private func write(_ text: String, to path: String) throws {
        let url = URL(fileURLWithPath: "\(folder.path)/\(path)")
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }

    /// Writes a blob, and returns the layer that names it.
    private func layer(_ text: String, _ type: String, size: Int? = nil) throws -> String {
        let hash = HubStandIn.hash(of: Array(text.utf8))
        try write(text, to: "blobs/sha256-\(hash)")
        return
            #"{"mediaType":"\#(type)","digest":"sha256:\#(hash)","size":\#(size ?? text.utf8.count)}"#
    }

    private func manifest(
        _ layers: [String], config: String? = nil, _ path: String = "library/llava/7b"
    ) throws {
        let config = config.map { #""config":\#($0),"# } ?? ""
        try write(
            #"{"schemaVersion":2,\#(config)"layers":[\#(layers.joined(separator: ","))]}"#,
            to: "manifests/registry.ollama.ai/\(path)")
    }

    private func find(_ name: String, _ parts: PullParts = .pair) throws -> ModelFiles? {
        try store.find(try #require(try ModelName(name)), parts)
    }

    @Test func readsThePairWhereItLies() throws {
        try manifest([
            layer("{{ .Prompt }}", "application/vnd.ollama.image.template"),
            layer("weights", Self.modelType), layer("tower", Self.projectorType),
        ])
        let files = try #require(try find("ollama:llava:7b"))
        #expect(try String(contentsOfFile: files.text, encoding: .utf8) == "weights")
        let projector = try #require(files.projector)
        #expect(try String(contentsOfFile: projector, encoding: .utf8) == "tower")
        #expect(files.text.hasPrefix("\(folder.path)/blobs/sha256-"))
    }

    @Test func listsItsModels() throws {
        let config = try layer(
            #"{"model_format":"gguf","file_type":"Q4_0"}"#,
            "application/vnd.docker.container.image.v1+json")
        try manifest(
            [layer("weights", Self.modelType), layer("tower", Self.projectorType)], config: config)
        try manifest([layer("text alone", Self.modelType)], "me/words/latest")
        // What is no model, or not whole, is not listed.
        try manifest([layer("x", Self.modelType, size: 9)], "library/half/latest")
        try write("rubbish", to: "manifests/registry.ollama.ai/library/bad/latest")
        try write("rubbish", to: "manifests/.DS_Store")
        let models = store.models()
        #expect(models.map(\.files.name) == ["ollama:llava:7b", "ollama:me/words:latest"])
        #expect(models.map(\.quantisation) == ["Q4_0", nil])
        #expect(models.map(\.size) == [12, 10])
    }

    @Test func saysWhereItLooked() throws {
        let path = "\(folder.path)/manifests/registry.ollama.ai/library/llava/latest"
        #expect(throws: ModelStoreError.ollamaModelMissing(name: "llava:latest", manifests: [path]))
        {
            try find("ollama:llava")
        }
    }

    @Test func refusesModelsWithoutATower() throws {
        try manifest([layer("text alone", Self.modelType)])
        let path = "\(folder.path)/manifests/registry.ollama.ai/library/llava/7b"
        #expect(throws: ModelStoreError.noProjector(name: "ollama:llava:7b", place: path)) {
            try find("ollama:llava:7b")
        }
        #expect(try find("ollama:llava:7b", .text)?.projector == nil)
    }

    @Test func refusesIncompleteBlobs() throws {
        let good = try layer("weights", Self.modelType)
        try manifest([layer("tower", Self.projectorType, size: 99), good])
        let message = try #require(throws: ModelStoreError.self) { try find("ollama:llava:7b") }
        #expect("\(message)".contains("has 5 bytes, expected 99"))
        #expect("\(message)".contains("manifests/registry.ollama.ai/library/llava/7b"))
        let hash = HubStandIn.hash(of: Array("weights".utf8))
        try FileManager.default.removeItem(atPath: "\(folder.path)/blobs/sha256-\(hash)")
        let missing = try #require(throws: ModelStoreError.self) { try find("ollama:llava:7b") }
        #expect("\(missing)".contains("No such file or directory"))
    }

    @Test(arguments: [
        "", "[]", "{}", "rubbish", #"{"layers":[]}"#, #"{"layers":[{"mediaType":1}]}"#,
        #"{"layers":[{"mediaType":"application/vnd.ollama.image.model","digest":"sha256:../../x","size":1}]}"#,
    ])
    func refusesOtherManifests(text: String) throws {
        try write(text, to: "manifests/registry.ollama.ai/library/llava/7b")
        #expect {
            try find("ollama:llava:7b")
        } throws: { error in
            if case ModelStoreError.ollamaManifest? = error as? ModelStoreError {
                true
            } else {
                false
            }
        }
    }

    @Test func readsBlobsOfOlderVersions() throws {
        try manifest([layer("weights", Self.modelType)])
        let hash = HubStandIn.hash(of: Array("weights".utf8))
        let blobs = "\(folder.path)/blobs/sha256"
        try FileManager.default.moveItem(atPath: "\(blobs)-\(hash)", toPath: "\(blobs):\(hash)")
        #expect(try find("ollama:llava:7b", .text)?.text == "\(blobs):\(hash)")
    }
}
