// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Serving

/// Requests that are wrong end in an error of OpenAI's form, and the next one is answered.
@Suite struct RefusalTests {
    /// Messages that have crashed other servers.
    private static let messages: [JSONValue] = [
        [], [[:]], [123], ["hello"], "hello", nil, 3, [["role": "user"]],
        [["role": "user", "content": nil]], [["role": "user", "content": 3]],
        [["role": "user", "content": [3]]], [["role": "user", "content": [[:]]]],
        [["role": "user", "content": []]], [["role": "user", "content": ""]],
        [["role": "nobody", "content": "x"]], [["role": "tool", "content": "x"]],
        [["role": "system", "content": "x"]], [["role": "assistant", "content": "x"]],
        [["role": "user", "content": "x"], ["role": "assistant", "content": "y"]],
        [["role": "user", "content": [["type": "video_url"]]]],
        [["role": "user", "content": [["type": "image_url"]]]],
        [["role": "user", "content": [["type": "image_url", "image_url": [:]]]]],
        [["role": "user", "content": [["type": "image_url", "image_url": ["url": 3]]]]],
        [["role": "user", "content": [["type": "text"]]]],
    ]

    @Test func messagesOfNoUseAreRefused() async throws {
        try await TestServer.run { server in
            for messages in Self.messages {
                let answer = try await server.chat(
                    ["messages": messages, "max_tokens": 2] as JSONValue)
                #expect(answer.status == 400, "\(messages)")
                #expect(
                    try answer.value("error", "type") as? String == "invalid_request_error",
                    "\(messages)")
                #expect(try answer.value("error", "message") as? String != nil)
            }
            try await expectService(server)
        }
    }

    /// Addresses that are no pictures, or lead elsewhere.
    private static let addresses = [
        "", " ", "data:", "data:image/png", "data:image/png;base64", "data:image/png;base64,",
        "data:image/png,abc", "data:image/png;base64,!!!!", "data:image/png;base64,iVBORw0KGgo=",
        "data:text/html;base64,PGh0bWw+PC9odG1sPg==", "not base64 at all!", "aGVsbG8=",
        "http://127.0.0.1/a.png", "http://[::1]/a.png", "http://[::ffff:127.0.0.1]/a.png",
        "http://2130706433/a.png", "http://169.254.169.254/latest/meta-data",
        "https://example.org/a.png", "HTTPS://example.org/a.png", "ftp://example.org/a.png",
        "//example.org/a.png", "gopher://example.org", "file:///etc/passwd", "file://etc/passwd",
        "FILE:///etc/passwd", "file:/etc/passwd", "file:///../../etc/passwd",
    ]

    @Test func addressesThatAreNoPicturesAreRefused() async throws {
        try await TestServer.run { server in
            for address in Self.addresses {
                let answer = try await server.chat(exactly(2, [question("What?", [address])]))
                #expect(answer.status == 400, "\(address)")
                let message = try #require(try answer.value("error", "message") as? String)
                #expect(message.contains("messages[0].content[0].image_url"), "\(message)")
                #expect(address.count < 9 || !message.contains(address), "\(message)")
            }
            try await expectService(server)
        }
    }

    @Test func picturesThatCannotBeReadAreRefused() async throws {
        try await TestServer.run { server in
            let png = try pictureFile("wide")
            let files: [[UInt8]] = [
                Array(png.prefix(20)), Array(png.prefix(png.count / 2)), Array("GIF89a".utf8),
                Array("<svg xmlns='x'></svg>".utf8), [0xFF, 0xD8, 0xFF],
                Array(repeating: 0, count: 99),
            ]
            for file in files {
                let answer = try await server.chat(
                    exactly(2, [question("What?", [dataURL(file)])]))
                #expect(answer.status == 400, "\(file.prefix(8))")
            }
            try await expectService(server)
        }
    }

    /// A small file that announces a huge picture is refused by its header.
    @Test func announcedPixelsAreLimited() async throws {
        try await TestServer.run { server in
            var png = try pictureFile("wide")
            for (offset, byte) in [0, 0, 0x4A, 0x38, 0, 0, 0x4A, 0x38].enumerated() {
                png[16 + offset] = UInt8(byte)
            }
            let answer = try await server.chat(exactly(2, [question("What?", [dataURL(png)])]))
            #expect(answer.status == 400)
            #expect(answer.text.contains("19000"))
            try await expectService(server)
        }
    }

    @Test func optionsOutsideTheirRangeAreRefused() async throws {
        try await TestServer.run { server in
            let wrong: [(String, JSONValue)] = [
                ("max_tokens", 0), ("max_tokens", -1), ("max_tokens", 1.5), ("max_tokens", "9"),
                ("max_completion_tokens", 0), ("temperature", -1), ("temperature", "hot"),
                ("top_p", 0), ("top_p", 2), ("top_k", -2), ("min_p", 2), ("n", 0), ("n", 99),
                ("n", "two"), ("stop", 3), ("stop", [3]), ("stream", "yes"), ("seed", "x"),
                ("min_tokens", 99), ("repetition_penalty", 0),
                ("stop", .array(Array(repeating: "x", count: 99))),
            ]
            for (name, value) in wrong {
                let answer = try await server.chat(
                    (["messages": [question("Hello", [])], "max_tokens": 4] as JSONValue)
                        .merging(.object([name: value])))
                #expect(answer.status == 400, "\(name) \(value)")
            }
            try await expectService(server)
        }
    }

    /// What a client relies on is refused by name; what asks for nothing, and what is unknown, is not.
    @Test func whatIsNotSupportedIsRefusedByName() async throws {
        try await TestServer.run { server in
            let refused: [(String, JSONValue)] = [
                ("tools", [["type": "function"]]), ("functions", [["name": "f"]]),
                ("tool_choice", "required"), ("response_format", ["type": "json_object"]),
                ("response_format", ["type": "json_schema", "json_schema": [:]]),
                ("logprobs", true), ("top_logprobs", 3), ("logit_bias", ["3": 1]),
                ("frequency_penalty", 0.5), ("presence_penalty", -1), ("grammar", "root ::= x"),
                ("modalities", ["text", "audio"]),
            ]
            for (name, value) in refused {
                let answer = try await server.chat(
                    exactly(2, [question("Hello", [])], .object([name: value])))
                #expect(answer.status == 400, "\(name)")
                #expect(try answer.value("error", "param") as? String == name)
            }
            let accepted: JSONValue = [
                "tools": [], "tool_choice": "none", "response_format": ["type": "text"],
                "logprobs": false, "top_logprobs": 0, "logit_bias": [:], "frequency_penalty": 0,
                "presence_penalty": 0, "user": "me", "metadata": [:], "store": false,
                "service_tier": "auto", "parallel_tool_calls": true, "unheard_of": [1, 2],
                "temperature": 1, "top_p": 1, "model": "any", "stop": nil, "seed": -1,
                "modalities": ["text"],
            ]
            let answer = try await server.chat(exactly(2, [question("Hello", [])], accepted))
            #expect(answer.status == 200, "\(answer.text)")
        }
    }

    @Test func bodiesThatAreNoDocumentsAreRefused() async throws {
        try await TestServer.run { server in
            let deep = String(repeating: "[", count: 99_999)
            let many = "[" + String(repeating: "1,", count: 99_999) + "1]"
            for body in [
                "", "{", "[]", "3", "null", "\u{FEFF}", "{\"messages\":}", "{'a':1}", deep, many,
                "{\"a\":\(deep)", "{\"messages\": \"\\ud800\"}",
            ] {
                let answer = try await server.request("POST", "/v1/chat/completions", body: body)
                #expect(answer.status == 400, "\(body.prefix(30))")
                #expect(try answer.value("error", "message") as? String != nil)
            }
            try await expectService(server)
        }
    }

    @Test func pathsAndMethodsThatAreNotThereAreJSONErrors() async throws {
        try await TestServer.run { server in
            for path in ["/nothing", "/v1/", "/v1/responses", "/v1/models/other", "/%00", "/a/b/c"]
            {
                let answer = try await server.get(path)
                #expect(answer.status == 404, "\(path)")
                #expect(try answer.value("error", "message") as? String != nil, "\(path)")
            }
            let wrong = try await server.get("/v1/chat/completions")
            #expect(wrong.status == 405)
            #expect(wrong.headers["allow"] == "OPTIONS, POST")
            #expect(try await server.request("POST", "/health").status == 405)
            #expect(try await server.get("/api/nothing").value("error") as? String != nil)
        }
    }

    /// Prompts and pictures that there is no room for are told with numbers.
    @Test func whatDoesNotFitIsToldWithNumbers() async throws {
        try await TestServer.run(context: 90) { server in
            let long = String(repeating: "long ", count: 99)
            let answer = try await server.chat(exactly(2, [question(long, [])]))
            #expect(answer.status == 400)
            #expect(try answer.value("error", "code") as? String == "context_length_exceeded")
            #expect(try answer.value("error", "n_ctx") as? Int == 90)
            #expect(try answer.value("error", "n_prompt_tokens") as? Int ?? 0 > 90)
            #expect(answer.text.contains("maximum context length is 90 tokens"))
            // A conversation that grows until the context is full ends in the same error.
            var messages: [JSONValue] = []
            var status = 200
            for turn in 0..<12 where status == 200 {
                messages.append(question("Turn \(turn)", [try dataURL("small")]))
                let answer = try await server.chat(exactly(2, messages))
                status = answer.status
                guard status == 200 else { continue }
                let text = try answer.value("choices", "0", "message", "content") as? String
                messages.append(["role": "assistant", "content": .string(text ?? "")])
            }
            #expect(status == 400)
            try await expectService(server)
        }
    }

    @Test func picturesOfARequestAreLimited() async throws {
        try await TestServer.run {
            $0.limits.pictures = 2
        } _: { server in
            let address = try dataURL("small")
            let three = try await server.chat(
                exactly(2, [question("What?", [address, address, address])]))
            #expect(three.status == 400)
            #expect(three.text.contains("more than 2 pictures"))
            let two = try await server.chat(exactly(2, [question("What?", [address, address])]))
            #expect(two.status == 200)
        }
    }
}

/// Checks that the server goes on as if nothing had been.
func expectService(_ server: TestServer) async throws {
    let answer = try await server.chat(exactly(3, [question("Hello", [try dataURL("small")])]))
    #expect(answer.status == 200, "\(answer.text)")
}
