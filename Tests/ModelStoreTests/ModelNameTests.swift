// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@testable import ModelStore

@Suite struct ModelNameTests {
    private func hub(_ text: String) throws -> HubModel? {
        if case .hub(let model)? = try ModelName(text) { model } else { nil }
    }

    @Test(arguments: [
        ("hf:acme/Tiny_llava.v1-GGUF", "acme/Tiny_llava.v1-GGUF", nil),
        ("hf:acme/tiny:Q4_K_M", "acme/tiny", "Q4_K_M"),
        ("acme/tiny", "acme/tiny", nil),
        ("acme/tiny:q8_0", "acme/tiny", "q8_0"),
        ("llava-1.5-7b", "second-state/Llava-v1.5-7B-GGUF", nil),
        ("LLaVA-v1.5-7b:Q8_0", "second-state/Llava-v1.5-7B-GGUF", "Q8_0"),
    ])
    func readsNamesOfTheHub(text: String, repository: String, quantisation: String?) throws {
        let model = try #require(try hub(text))
        #expect("\(model.repository)" == repository)
        #expect(model.quantisation == quantisation)
    }

    @Test(arguments: [
        "/absent.gguf", "./acme/tiny", "../tiny", "~/tiny", "model.gguf", "acme/model.GGUF",
        "a/b/c", "/", "", "acme/..", "acme/", "Sources\0/x",
    ])
    func leavesPathsAlone(text: String) throws { #expect(try ModelName(text) == nil) }

    @Test func takesWhatExistsForAPath() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write([1], to: "llava-1.5-7b")
        #expect(try ModelName(path) == nil)
        // A misspelt path below a folder that exists is no repository.
        #expect(try ModelName("\(folder.path.dropFirst())/absent") == nil)
    }

    @Test(arguments: [
        "hf:", "hf:acme", "hf:acme/tiny/x", "hf:acme/tiny:", "hf:../tiny", "hf:acme/..",
        "hf:a--b/c",
        "hf:acme/tiny model", "llava-1.5-7b:", "ollama:", "ollama:a:b:c/d",
        "ollama:../../etc:passwd",
        "ollama:a/b/c/d/e",
    ])
    func refusesBadNames(text: String) {
        #expect {
            try ModelName(text)
        } throws: { error in
            guard case ModelStoreError.badName(let name, let expected)? = error as? ModelStoreError
            else { return false }
            return text.hasSuffix(name.replacing("ollama:", with: "")) && !expected.isEmpty
        }
    }

    @Test func namesTheKnownModelsForAnUnknownWord() {
        #expect(
            throws: ModelStoreError.unknownName(name: "llava-9", known: KnownModel.all.map(\.name))
        ) {
            try ModelName("llava-9")
        }
    }

    @Test(arguments: [
        ("llava", ["registry.ollama.ai", "library", "llava", "latest"], "llava:latest"),
        (
            "llava:13b-v1.6", ["registry.ollama.ai", "library", "llava", "13b-v1.6"],
            "llava:13b-v1.6"
        ),
        ("me/llava", ["registry.ollama.ai", "me", "llava", "latest"], "me/llava:latest"),
        ("hf.co/acme/tiny:Q4_0", ["hf.co", "acme", "tiny", "Q4_0"], "hf.co/acme/tiny:Q4_0"),
    ])
    func readsNamesOfOllama(text: String, path: [String], printed: String) throws {
        guard case .ollama(let model)? = try ModelName("ollama:\(text)") else {
            Issue.record("not a name of ollama")
            return
        }
        #expect(model.path == path)
        #expect("\(model)" == printed)
    }

    @Test func quantisesNames() throws {
        let name = try #require(try ModelName("llava-1.5-7b"))
        #expect("\(try name.quantised("Q8_0"))" == "llava-1.5-7b:Q8_0")
        #expect(throws: ModelStoreError.self) { try name.quantised("Q8_0").quantised("Q4_0") }
        let ollama = try #require(try ModelName("ollama:llava"))
        #expect(throws: ModelStoreError.self) { try ollama.quantised("Q8_0") }
    }

    @Test func namesCanBeGivenAgain() throws {
        for text in ["llava-1.5-7b:Q8_0", "hf:acme/tiny:Q4_0", "hf:acme/tiny", "ollama:llava:13b"] {
            let name = try #require(try ModelName(text))
            #expect("\(name)" == text)
        }
    }
}
