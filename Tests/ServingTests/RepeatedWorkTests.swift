// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import TrimLLaVA

@testable import Serving

/// What was done before is not done again, and changes no answer.
@Suite struct RepeatedWorkTests {
    /// A conversation as clients send it: all of it, each time.
    private static func turn(
        _ server: TestServer, _ messages: inout [JSONValue], _ more: JSONValue = [:]
    ) async throws -> (text: String, cached: Int, prompt: Int, vision: Double) {
        let answer = try await server.chat(exactly(8, messages, more))
        #expect(answer.status == 200, "\(answer.text)")
        let text = try #require(
            try answer.value("choices", "0", "message", "content") as? String)
        messages.append(["role": "assistant", "content": .string(text)])
        return (
            text,
            try #require(
                try answer.value("usage", "prompt_tokens_details", "cached_tokens") as? Int),
            try #require(try answer.value("usage", "prompt_tokens") as? Int),
            try #require(try answer.value("trimllava", "seconds", "vision") as? Double)
        )
    }

    @Test func aPictureIsEncodedOnce() async throws {
        try await TestServer.run { server in
            var first = [question("What?", [try dataURL("wide")])]
            let one = try await Self.turn(server, &first)
            #expect(one.vision > 0 && one.cached == 0)
            var second = [question("Why?", [try dataURL("wide")])]
            let other = try await Self.turn(server, &second)
            #expect(other.text == (try server.llava.run("Why?", ["wide"], exactly(8)).text))
            // Tiles are not even cut, so that next to nothing is left of the time.
            #expect(other.cached > 0)
        }
    }

    @Test func aConversationGoesOnWhereItWas() async throws {
        try await TestServer.run { server in
            var messages = [question("One", [try dataURL("wide")])]
            let first = try await Self.turn(server, &messages)
            messages.append(question("Two", []))
            let second = try await Self.turn(server, &messages)
            #expect(second.cached >= first.prompt)
            messages.append(question("Three", [try dataURL("small")]))
            let third = try await Self.turn(server, &messages)
            #expect(third.cached >= second.prompt)
            // A server that has seen nothing of it answers the same.
            let repeated = messages.dropLast()
            let fresh = try await TestServer.run { other in
                var all = Array(repeated)
                return try await Self.turn(other, &all).text
            }
            #expect(fresh == third.text)
        }
    }

    /// The question that a picture came with decides what is kept of it, whatever is asked later.
    @Test func prunedPicturesStayAsTheyAre() async throws {
        try await TestServer.run { server in
            let pruning: JSONValue = ["keep": 5, "selector": "mmtok"]
            var messages = [question("One", [try dataURL("wide")])]
            let first = try await Self.turn(server, &messages, pruning)
            messages.append(question("Quite another question", []))
            let second = try await Self.turn(server, &messages, pruning)
            #expect(second.cached >= first.prompt)
            // Another budget shares no rows of the picture.
            var again = Array(messages.prefix(1))
            let other = try await Self.turn(server, &again, ["keep": 6, "selector": "mmtok"])
            #expect(other.cached < first.prompt - 4)
        }
    }

    /// Equal bytes of pixels in another shape are another picture.
    @Test func picturesOfOtherShapesAreOthers() async throws {
        try await TestServer.run { server in
            let texts = try await [(30, 150), (150, 30)].asyncMap { width, height in
                let file = try PlainPicture.png(width: width, height: height)
                var messages = [question("What?", [dataURL(file)])]
                return try await Self.turn(server, &messages).text
            }
            let expected = try [(30, 150), (150, 30)].map { width, height in
                let picture = try PictureDecoder.decode(
                    PlainPicture.png(width: width, height: height), name: "plain")
                return try server.llava.conversation().ask(
                    "What?", pictures: [picture], options: exactly(8)
                ).text
            }
            #expect(texts == expected)
        }
    }

    /// A conversation with a picture in each of its turns goes on until the context is full; then it is refused with
    /// the numbers, and what was said before can be asked again.
    @Test func manyTurnsWithPicturesEndInTheContext() async throws {
        try await TestServer.run("demonstration", context: 1300) {
            $0.limits.pictures = 64
        } _: { server in
            var messages: [JSONValue] = []
            var texts: [String] = []
            let keep: JSONValue = ["keep": 32]
            var refused: RawAnswer?
            while refused == nil, texts.count < 60 {
                let name = pictureNames[texts.count % pictureNames.count]
                messages.append(question("Turn \(texts.count)", [try dataURL(name)]))
                let answer = try await server.chat(exactly(8, messages, keep))
                guard answer.status == 200 else {
                    refused = answer
                    break
                }
                let text = try #require(
                    try answer.value("choices", "0", "message", "content") as? String)
                messages.append(["role": "assistant", "content": .string(text)])
                texts.append(text)
            }
            let answer = try #require(refused)
            #expect(texts.count >= 12)
            #expect(answer.status == 400)
            #expect(try answer.value("error", "code") as? String == "context_length_exceeded")
            #expect(try answer.value("error", "n_ctx") as? Int == 1300)
            #expect(try answer.value("error", "n_prompt_tokens") as? Int ?? 0 > 1200)
            var again = Array(messages.prefix(23))
            #expect(try await Self.turn(server, &again, keep).text == texts[11])
        }
    }

    @Test func picturesAndTextsInAnyOrderAreAnswered() async throws {
        try await TestServer.run { server in
            for contents in [["wide", "", "small"], ["", "wide", ""], ["small", "small", ""]] {
                var messages: [JSONValue] = []
                for (index, name) in contents.enumerated() {
                    messages.append(
                        question("Turn \(index)", name.isEmpty ? [] : [try dataURL(name)]))
                    _ = try await Self.turn(server, &messages)
                }
            }
        }
    }
}

extension Sequence {
    /// The results of an asynchronous closure, one after the other.
    func asyncMap<Result>(_ body: (Element) async throws -> Result) async rethrows -> [Result] {
        var results: [Result] = []
        for element in self { results.append(try await body(element)) }
        return results
    }
}
