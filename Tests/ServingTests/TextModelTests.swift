// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import TrimLLaVA

@testable import Serving

/// A server of a model that reads text alone.
@Suite struct TextModelTests {
    @Test func questionsAreAnsweredByAllAPIs() async throws {
        try await TestServer.run(seesPictures: false) { server in
            let expected = try server.llava.run("What?", [], exactly(12)).text
            let chat = try await server.chat([
                "messages": [question("What?", [])], "max_tokens": 12, "ignore_eos": true,
            ])
            #expect(try chat.value("choices", "0", "message", "content") as? String == expected)
            let ollama = try await server.post(
                "/api/chat",
                [
                    "stream": false, "options": ["num_predict": 12, "ignore_eos": true],
                    "messages": [["role": "user", "content": "What?"]],
                ])
            #expect(try ollama.value("message", "content") as? String == expected)
            let anthropic = try await server.post(
                "/v1/messages",
                [
                    "model": "x", "max_tokens": 12, "ignore_eos": true,
                    "messages": [["role": "user", "content": "What?"]],
                ])
            #expect(try anthropic.value("content", "0", "text") as? String == expected)
            // The budget of a server, or of a request, is for pictures alone.
            let pruned = try await server.chat([
                "messages": [question("What?", [])], "max_tokens": 12, "ignore_eos": true,
                "keep": 4,
            ])
            #expect(try pruned.value("choices", "0", "message", "content") as? String == expected)
        }
    }

    @Test func picturesAreRefused() async throws {
        try await TestServer.run(seesPictures: false) { server in
            let asked: JSONValue = ["messages": [question("What?", [try dataURL("square")])]]
            for path in ["/v1/chat/completions", "/v1/chat/completions/input_tokens"] {
                let answer = try await server.post(path, asked)
                #expect(answer.status == 400)
                let message = try answer.value("error", "message") as? String
                #expect(message?.contains("no vision projector") == true)
                #expect(message?.contains("--mmproj") == true)
                #expect(
                    try answer.value("error", "code") as? String == "pictures_unsupported")
            }
            let stream = try await server.chat(asked.merging(["stream": true]))
            #expect(stream.status == 400)
            let ollama = try await server.post(
                "/api/generate", ["prompt": "?", "images": [.string(try dataURL("square"))]])
            #expect(ollama.status == 400)
            #expect(try (ollama.value("error") as? String)?.contains("no vision projector") == true)
            let next = try await server.chat(exactly(3, [question("Hello", [])]))
            #expect(next.status == 200, "\(next.text)")
        }
    }

    @Test func abilitiesAreTold() async throws {
        try await TestServer.run(seesPictures: false) { server in
            let list = try await server.get("/v1/models")
            #expect(try list.value("data", "0", "capabilities") as? [String] == ["completion"])
            #expect(try list.value("data", "0", "visual_tokens") as? Int == 0)
            let shown = try await server.post("/api/show", ["model": "llava-1.5-gqa"])
            #expect(try shown.value("capabilities") as? [String] == ["completion"])
            #expect(try shown.value("details", "families") as? [String] == ["llama"])
        }
        try await TestServer.run { server in
            let list = try await server.get("/v1/models")
            #expect(
                try list.value("data", "0", "capabilities") as? [String]
                    == ["completion", "multimodal"])
        }
    }
}
