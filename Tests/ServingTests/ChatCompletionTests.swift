// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing
import TrimLLaVA

@testable import Serving

/// Answers of `/v1/chat/completions`: those of `trimllava run`, in OpenAI's form.
@Suite struct ChatCompletionTests {
    /// Every golden model answers as on the command line, streamed or not.
    @Test(arguments: [
        "llava-1.5-gqa", "llava-1.5-mha", "llava-next-mistral", "llava-phi3", "llava-qwen2",
    ])
    func answersAreThoseOfTheCommandLine(model: String) async throws {
        let template = ["llava-1.5-mha": ChatTemplate.vicuna][model]
        try await TestServer.run(model, { $0.template = template }) { server in
            for name in ["wide", "portrait"] {
                let expected = try server.llava.conversation(template: template).ask(
                    "What is this?",
                    pictures: [PictureDecoder.decode(pictureFile(name), name: name)],
                    options: exactly(24))
                let messages = [question("What is this?", [try dataURL(name)])]
                let whole = try await server.chat(exactly(24, messages))
                #expect(whole.status == 200)
                #expect(
                    try whole.value("choices", "0", "message", "content") as? String
                        == expected.text)
                #expect(
                    try whole.value("usage", "prompt_tokens") as? Int
                        == expected.statistics.promptRows)
                let stream = try await server.chat(exactly(24, messages, ["stream": true]))
                #expect(try streamedText(stream) == expected.text)
            }
        }
    }

    /// The form that clients of OpenAI's rely on.
    @Test func streamsHaveTheFormThatClientsExpect() async throws {
        try await TestServer.run { server in
            let body = exactly(
                5, [question("Hello", [try dataURL("small")])],
                ["stream": true, "stream_options": ["include_usage": true]])
            let answer = try await server.chat(body)
            #expect(answer.headers["content-type"] == "text/event-stream; charset=utf-8")
            #expect(answer.headers["x-accel-buffering"] == "no")
            #expect(answer.text.hasSuffix("data: [DONE]\n\n"))
            let chunks = try answer.events()
            let ids = Set(chunks.compactMap { RawAnswer.value($0, ["id"]) as? String })
            #expect(ids.count == 1)
            for chunk in chunks {
                #expect(
                    RawAnswer.value(chunk, ["object"]) as? String == "chat.completion.chunk")
            }
            #expect(
                RawAnswer.value(chunks[0], ["choices", "0", "delta", "role"]) as? String
                    == "assistant")
            let choices = chunks.dropLast()
            for chunk in choices.dropLast() {
                #expect(
                    RawAnswer.value(chunk, ["choices", "0", "finish_reason"]) is NSNull)
            }
            #expect(
                choices.last.flatMap { RawAnswer.value($0, ["choices", "0", "finish_reason"]) }
                    as? String == "length")
            let last = try #require(chunks.last)
            #expect((RawAnswer.value(last, ["choices"]) as? [Any])?.isEmpty == true)
            #expect(RawAnswer.value(last, ["usage", "completion_tokens"]) as? Int == 5)
            #expect(RawAnswer.value(last, ["trimllava", "visual_tokens"]) as? Int != nil)
            // What only those read who want to know comes before the first text.
            let progress = answer.text.components(separatedBy: "data: ")[0]
            #expect(progress.contains(#": {"encoding":{"done":"#))
            #expect(progress.contains(#": {"reading":"#))
        }
    }

    @Test func withoutTheOptionStreamsTellNoUsage() async throws {
        try await TestServer.run { server in
            let answer = try await server.chat(
                exactly(3, [question("Hello", [])], ["stream": true]))
            #expect(!answer.text.contains("usage"))
        }
    }

    @Test func severalChoicesAreThoseOfTheirSeeds() async throws {
        try await TestServer.run { server in
            let sampling = SamplingOptions(temperature: 2, topK: 0, topP: 1, minP: 0, seed: 7)
            var options = exactly(16)
            options.sampling = sampling
            let first = try server.llava.run("Hello", ["small"], options)
            options.sampling.seed = 8
            let second = try server.llava.run("Hello", ["small"], options)
            #expect(first.text != second.text)
            let body = exactly(
                16, [question("Hello", [try dataURL("small")])],
                [
                    "n": 2, "seed": 7, "temperature": 2, "top_k": -1, "top_p": 1, "min_p": 0,
                ])
            let whole = try await server.chat(body)
            for (index, expected) in [first, second].enumerated() {
                #expect(
                    try whole.value("choices", "\(index)", "message", "content") as? String
                        == expected.text)
            }
            #expect(try whole.value("usage", "completion_tokens") as? Int == 32)
            let stream = try await server.chat(body.merging(["stream": true]))
            #expect(try streamedText(stream, choice: 0) == first.text)
            #expect(try streamedText(stream, choice: 1) == second.text)
            #expect(try await server.chat(body.merging(["n": 3])).status == 400)
        }
    }

    @Test func anAnswerEndsBeforeATextThatStopsIt() async throws {
        try await TestServer.run { server in
            let whole = try server.llava.run("Hello", [], exactly(40)).text
            let stop = String(whole.dropFirst(whole.count / 2).prefix(3))
            let expected = String(whole[..<whole.range(of: stop)!.lowerBound])
            for streams in [false, true] {
                let answer = try await server.chat(
                    exactly(
                        40, [question("Hello", [])],
                        ["stop": .string(stop), "stream": .bool(streams)]))
                if streams {
                    #expect(try streamedText(answer) == expected)
                } else {
                    #expect(
                        try answer.value("choices", "0", "message", "content") as? String
                            == expected)
                    #expect(try answer.value("choices", "0", "finish_reason") as? String == "stop")
                }
            }
        }
    }

    /// Texts and pictures stay in their order; nothing in a text places a picture.
    @Test func picturesAreWhereTheMessageHasThem() async throws {
        try await TestServer.run { server in
            let expected = try server.llava.conversation().ask(
                "One\n<image>\nTwo\n<image>\nThree",
                pictures: ["wide", "small"].map {
                    try PictureDecoder.decode(pictureFile($0), name: $0)
                }, options: exactly(16))
            let parts: [JSONValue] = [
                textPart("One"), picturePart(try dataURL("wide")), textPart("Two"),
                // As ollama documents it, and as base64 alone.
                [
                    "type": "image_url",
                    "image_url": .string(Data(try pictureFile("small")).base64EncodedString()),
                ],
                textPart("Three"),
            ]
            let answer = try await server.chat(
                exactly(16, [["role": "user", "content": .array(parts)]]))
            #expect(
                try answer.value("choices", "0", "message", "content") as? String
                    == expected.text)
            let literal = try await server.chat(exactly(4, [question("What is <image>?", [])]))
            #expect(literal.status == 200)
            #expect(
                try literal.value("usage", "prompt_tokens_details", "image_tokens") as? Int == 0)
        }
    }

    /// A picture after the only text is read before it, as in the models' training.
    @Test func aPictureAfterTheOnlyTextComesFirst() async throws {
        try await TestServer.run { server in
            let expected = try server.llava.run("What?", ["wide"], exactly(16))
            let answer = try await server.chat(
                exactly(
                    16,
                    [
                        [
                            "role": "user",
                            "content": [textPart("What?"), picturePart(try dataURL("wide"))],
                        ]
                    ]))
            #expect(
                try answer.value("choices", "0", "message", "content") as? String
                    == expected.text)
        }
    }

    @Test func conversationsAreThoseOfTheCommandLine() async throws {
        try await TestServer.run { server in
            let chat = try server.llava.conversation(system: "Sing.")
            let picture = try PictureDecoder.decode(pictureFile("wide"), name: "wide")
            let first = try chat.ask("One", pictures: [picture], options: exactly(6))
            var messages: [JSONValue] = [
                ["role": "system", "content": "Sing."], question("One", [try dataURL("wide")]),
            ]
            let answer = try await server.chat(exactly(6, messages))
            #expect(
                try answer.value("choices", "0", "message", "content") as? String == first.text)
            messages += [
                ["role": "assistant", "content": .string(first.text)], question("Two", []),
            ]
            let next = try await server.chat(exactly(6, messages))
            #expect(next.status == 200)
            #expect(
                try next.value("usage", "prompt_tokens") as? Int ?? 0
                    > first.statistics.promptRows)
        }
    }

    @Test func textOnThePathWithoutVersionWorksToo() async throws {
        try await TestServer.run { server in
            let body = exactly(4, [question("Hello", [])])
            let one = try await server.post("/v1/chat/completions", body)
            let other = try await server.post("/chat/completions", body)
            #expect(other.status == 200)
            #expect(
                try one.value("choices", "0", "message", "content") as? String
                    == other.value("choices", "0", "message", "content") as? String)
        }
    }
}

/// The text of a streamed answer.
func streamedText(_ answer: RawAnswer, choice: Int = 0) throws -> String {
    try answer.events().compactMap { chunk in
        guard RawAnswer.value(chunk, ["choices", "0", "index"]) as? Int == choice else {
            return nil
        }
        return RawAnswer.value(chunk, ["choices", "0", "delta", "content"]) as? String
    }.joined()
}

/// The text of a streamed answer as it came, with its head and its chunks' lengths.
func streamedText(_ raw: String) throws -> String {
    try raw.components(separatedBy: .newlines).filter { $0.hasPrefix("data: {") }
        .map { try JSONSerialization.jsonObject(with: Data($0.dropFirst(6).utf8)) }
        .compactMap { RawAnswer.value($0, ["choices", "0", "delta", "content"]) as? String }
        .joined()
}
