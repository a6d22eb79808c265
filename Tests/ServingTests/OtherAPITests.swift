// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import TrimLLaVA

@testable import Serving

/// ollama's API, Anthropic's, and the smaller parts of OpenAI's.
@Suite struct OtherAPITests {
    @Test func modelsAreListed() async throws {
        try await TestServer.run { server in
            let list = try await server.get("/v1/models")
            #expect(try list.value("data", "0", "id") as? String == "llava-1.5-gqa")
            #expect(try list.value("data", "0", "context") as? Int == server.llava.context)
            let selectors = try list.value("data", "0", "selectors") as? [String]
            #expect(selectors?.first == "spread")
            #expect(try list.value("data", "0", "demonstration") as? Bool == false)
            #expect(
                try list.value("data", "0", "visual_tokens") as? Int
                    == server.llava.run("?", ["square"], exactly(1)).statistics.visualRows)
            for name in ["llava-1.5-gqa", "llava-1.5-gqa@64"] {
                let model = try await server.get("/v1/models/\(name)")
                #expect(try model.value("id") as? String == name)
            }
        }
    }

    @Test func completionsContinueATextAsItIs() async throws {
        try await TestServer.run { server in
            let expected = try server.llava.complete("Once upon", options: exactly(12))
            let body: JSONValue = [
                "prompt": "Once upon", "max_tokens": 12, "ignore_eos": true,
            ]
            let whole = try await server.post("/v1/completions", body)
            #expect(try whole.value("choices", "0", "text") as? String == expected.text)
            #expect(try whole.value("object") as? String == "text_completion")
            let stream = try await server.post(
                "/v1/completions", body.merging(["stream": true]))
            let text = try stream.events().compactMap {
                RawAnswer.value($0, ["choices", "0", "text"]) as? String
            }
            #expect(text.joined() == expected.text)
            for prompt in [3, ["a", "b"], [1, 2], nil] as [JSONValue] {
                #expect(try await server.post("/v1/completions", ["prompt": prompt]).status == 400)
            }
        }
    }

    @Test func tokensAreCountedWithPictures() async throws {
        try await TestServer.run { server in
            let expected = try server.llava.run("What?", ["wide"], exactly(1)).statistics
            let body: JSONValue = ["messages": [question("What?", [try dataURL("wide")])]]
            let answer = try await server.post("/v1/chat/completions/input_tokens", body)
            #expect(try answer.value("input_tokens") as? Int == expected.promptRows)
            let anthropic = try await server.post("/v1/messages/count_tokens", Self.messages())
            #expect(try anthropic.value("input_tokens") as? Int == expected.promptRows)
        }
    }

    @Test func ollamaChatsAndGenerates() async throws {
        try await TestServer.run { server in
            let expected = try server.llava.run("What?", ["wide"], exactly(12)).text
            let plain = Data(try pictureFile("wide")).base64EncodedString()
            for picture in [plain, try dataURL("wide")] {
                let options: JSONValue = ["num_predict": 12, "ignore_eos": true]
                let chat: JSONValue = [
                    "model": "llava", "options": options,
                    "messages": [
                        ["role": "user", "content": "What?", "images": [.string(picture)]]
                    ],
                ]
                let generate: JSONValue = [
                    "model": "llava", "options": options, "prompt": "What?",
                    "images": [.string(picture)],
                ]
                for (path, body, field) in [
                    ("/api/chat", chat, ["message", "content"]),
                    ("/api/generate", generate, ["response"]),
                ] {
                    let stream = try await server.post(path, body)
                    #expect(stream.headers["content-type"] == "application/x-ndjson")
                    let lines = try stream.lines()
                    let text = lines.compactMap { RawAnswer.value($0, field) as? String }.joined()
                    #expect(text == expected, "\(path)")
                    let last = try #require(lines.last)
                    #expect(RawAnswer.value(last, ["done"]) as? Bool == true)
                    #expect(RawAnswer.value(last, ["done_reason"]) as? String == "length")
                    #expect(RawAnswer.value(last, ["eval_count"]) as? Int == 12)
                    #expect(RawAnswer.value(last, ["total_duration"]) as? Int ?? 0 > 0)
                    let whole = try await server.post(path, body.merging(["stream": false]))
                    #expect(RawAnswer.value(try whole.json, field) as? String == expected)
                }
            }
        }
    }

    @Test func ollamaTellsWhatFrontEndsAsk() async throws {
        try await TestServer.run { server in
            let version = try #require(
                try await server.get("/api/version").value("version") as? String)
            #expect(version.split(separator: ".").allSatisfy { Int($0) != nil })
            #expect(
                try await server.get("/api/tags").value("models", "0", "name") as? String
                    == "llava-1.5-gqa:latest")
            #expect(try await server.request("HEAD", "/api/tags").status == 200)
            #expect(try await server.request("HEAD", "/").status == 200)
            #expect(
                try await server.get("/api/ps").value("models", "0", "size_vram") as? Int == 0)
            let shown = try await server.post("/api/show", ["model": "llava-1.5-gqa:latest"])
            #expect(try shown.value("capabilities") as? [String] == ["completion", "vision"])
            #expect(try await server.post("/api/show", ["model": "other"]).status == 404)
            let loaded = try await server.post("/api/generate", ["model": "x"])
            #expect(try loaded.value("done_reason") as? String == "load")
            let unloaded = try await server.post(
                "/api/chat", ["model": "x", "messages": [], "keep_alive": 0])
            #expect(unloaded.status == 200)
            for picture in ["", "x", "https://example.org/a.png", "data:image/png;base64,"] {
                let answer = try await server.post(
                    "/api/generate", ["prompt": "?", "images": [.string(picture)]])
                #expect(answer.status == 400)
                #expect(try answer.value("error") as? String != nil, "\(picture)")
            }
        }
    }

    @Test func anthropicMessagesAreAnswered() async throws {
        try await TestServer.run { server in
            let expected = try server.llava.run("What?", ["wide"], exactly(12)).text
            let whole = try await server.post("/v1/messages", Self.messages())
            #expect(try whole.value("content", "0", "text") as? String == expected)
            #expect(try whole.value("stop_reason") as? String == "max_tokens")
            #expect(try whole.value("usage", "output_tokens") as? Int == 12)
            let stream = try await server.post(
                "/v1/messages", Self.messages().merging(["stream": true]))
            let events = try stream.events()
            let types = events.compactMap { RawAnswer.value($0, ["type"]) as? String }
            #expect(types.first == "message_start" && types.last == "message_stop")
            #expect(!stream.text.contains("[DONE]"))
            let text = events.compactMap { RawAnswer.value($0, ["delta", "text"]) as? String }
            #expect(text.joined() == expected)
            var wrong = try Self.messages()
            wrong["max_tokens"] = nil
            let refused = try await server.post("/v1/messages", wrong)
            #expect(refused.status == 400)
            #expect(try refused.value("type") as? String == "error")
        }
    }

    private static func messages() throws -> JSONValue {
        [
            "model": "x", "max_tokens": 12, "ignore_eos": true,
            "messages": [
                [
                    "role": "user",
                    "content": [
                        [
                            "type": "image",
                            "source": [
                                "type": "base64", "media_type": "image/png",
                                "data": .string(
                                    Data(try pictureFile("wide")).base64EncodedString()),
                            ],
                        ], ["type": "text", "text": "What?"],
                    ],
                ]
            ],
        ]
    }
}
