// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@testable import ModelStore

/// Caches as the Python client lays them out.
@Suite struct HubCacheTests {
    let folder: TemporaryFolder
    let store: ModelStore

    init() throws {
        folder = try TemporaryFolder()
        store = try ModelStore(
            environment: [
                "HF_HUB_CACHE": folder.path, "OLLAMA_MODELS": "/absent", "HOME": folder.path,
            ])
    }

    private func add(
        _ files: [String], _ repository: String = "acme--tiny", commit: String = "c1",
        isCurrent: Bool = true
    ) throws {
        let root = "\(folder.path)/models--\(repository)"
        let manager = FileManager.default
        for path in ["blobs", "refs", "snapshots/\(commit)/part"] {
            try manager.createDirectory(
                atPath: "\(root)/\(path)", withIntermediateDirectories: true)
        }
        for file in files {
            let blob = "\(commit)-\(file.replacing("/", with: "-"))"
            try Data(file.utf8).write(to: URL(fileURLWithPath: "\(root)/blobs/\(blob)"))
            let up = file.contains("/") ? "../../../" : "../../"
            try manager.createSymbolicLink(
                atPath: "\(root)/snapshots/\(commit)/\(file)",
                withDestinationPath: "\(up)blobs/\(blob)")
        }
        if isCurrent {
            try Data(commit.utf8).write(to: URL(fileURLWithPath: "\(root)/refs/main"))
        }
    }

    private func find(_ name: String, _ parts: PullParts = .pair) throws -> String? {
        let files = try store.find(try #require(try ModelName(name)), parts)
        return files.map { String($0.text.dropFirst(folder.path.count + 1)) }
    }

    @Test func findsThePair() throws {
        try add(["tiny-Q4_0.gguf", "part/tiny-Q8_0.gguf", "mmproj-f16.gguf", "README.md"])
        let snapshot = "models--acme--tiny/snapshots/c1"
        #expect(try find("hf:acme/tiny") == "\(snapshot)/tiny-Q4_0.gguf")
        #expect(try find("hf:acme/tiny:q8_0") == "\(snapshot)/part/tiny-Q8_0.gguf")
        #expect(try find("hf:acme/tiny:Q6_K") == nil)
        #expect(try find("hf:acme/other") == nil)
    }

    @Test func missesWhatIsNotWhole() throws {
        try add(["tiny-Q4_0.gguf", "tiny-Q8_0-00001-of-00002.gguf", "mmproj-f16.gguf"])
        #expect(try find("hf:acme/tiny:Q8_0") == nil)
        // The link is there, but not its blob.
        let blobs = "\(folder.path)/models--acme--tiny/blobs"
        try FileManager.default.removeItem(atPath: "\(blobs)/c1-mmproj-f16.gguf")
        #expect(try find("hf:acme/tiny") == nil)
        #expect(try find("hf:acme/tiny", .text) != nil)
        #expect(try find("hf:acme/tiny", .available) != nil)
    }

    @Test func prefersTheBranch() throws {
        try add(["tiny-Q4_0.gguf", "mmproj-f16.gguf"], commit: "c1")
        try add(["tiny-Q4_0.gguf", "mmproj-f16.gguf"], commit: "c2", isCurrent: false)
        #expect(try find("hf:acme/tiny") == "models--acme--tiny/snapshots/c1/tiny-Q4_0.gguf")
        try add(["tiny-Q4_0.gguf"], commit: "c3")
        // The branch's commit has no tower, an older one has.
        #expect(try find("hf:acme/tiny")?.contains("/c3/") == false)
    }

    @Test func listsModels() throws {
        try add(["tiny-Q4_0.gguf", "mmproj-f16.gguf"])
        try add(["a-Q8_0-00001-of-00002.gguf", "a-Q8_0-00002-of-00002.gguf"], "acme--words")
        try add(["model.safetensors"], "acme--other")
        try add(
            ["llava-v1.5-7b-Q4_K_M.gguf", "llava-v1.5-7b-mmproj-model-f16.gguf"],
            "second-state--Llava-v1.5-7B-GGUF")
        let models = store.models()
        #expect(
            models.map(\.files.name)
                == ["hf:acme/tiny:Q4_0", "hf:acme/words:Q8_0", "llava-1.5-7b:Q4_K_M"])
        #expect(models.map(\.files.projector).map { $0 != nil } == [true, false, true])
        #expect(models[1].size == 52)
        for model in models {
            #expect(try find(model.files.name, .available) != nil)
        }
        #expect(models[2].files.template == .vicuna)
    }

    @Test func anEmptyCacheHasNothing() throws {
        #expect(store.models().isEmpty)
        let absent = try ModelStore(environment: ["HF_HUB_CACHE": "/absent", "HOME": folder.path])
        #expect(absent.models().isEmpty)
    }
}
