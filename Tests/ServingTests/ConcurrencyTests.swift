// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import TrimLLaVA

@testable import Serving

/// Many clients at the same time.
@Suite struct ConcurrencyTests {
    @Test func picturesAtTheSameTimeAreAnsweredAsOneAfterTheOther() async throws {
        try await TestServer.run {
            $0.parallel = 4
        } _: { server in
            let cases = pictureNames.flatMap { name in [(name, "What?"), (name, "Why is that?")] }
            let expected = try cases.map { try server.llava.run($1, [$0], exactly(40)).text }
            let bodies = try cases.map { name, asked in
                text(of: exactly(40, [question(asked, [try dataURL(name)])]))
            }
            let texts = try await withThrowingTaskGroup(of: (Int, String?).self) { group in
                for (index, body) in bodies.enumerated() {
                    group.addTask {
                        let answer = try await server.request(
                            "POST", "/v1/chat/completions", body: body)
                        return (
                            index,
                            try answer.value("choices", "0", "message", "content") as? String
                        )
                    }
                }
                var texts = [String?](repeating: nil, count: cases.count)
                for try await (index, text) in group { texts[index] = text }
                return texts
            }
            #expect(texts == expected)
        }
    }

    /// A mix of everything, 32 at a time: what is right is answered, the rest is refused.
    @Test func aCrowdIsServed() async throws {
        try await TestServer.run {
            $0.parallel = 4
            $0.limits.queued = 64
        } _: { server in
            let addresses = try pictureNames.map { try dataURL($0) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<32 {
                    group.addTask {
                        for round in 0..<3 {
                            let number = index + round
                            let address = addresses[number % addresses.count]
                            var body = exactly(
                                5 + number % 20,
                                [question("Question \(number)", [address])],
                                [
                                    "stream": .bool(number % 2 == 0),
                                    "keep": .integer(1 + number % 9),
                                ])
                            if number % 7 == 0 { body["temperature"] = -1 }
                            let answer = try await server.chat(body)
                            #expect(answer.status == (number % 7 == 0 ? 400 : 200))
                        }
                    }
                }
                try await group.waitForAll()
            }
            try await expectService(server)
        }
    }

    /// Two streams at once interleave.
    @Test func streamsShareTheModel() async throws {
        try await TestServer.run { server in
            func open(_ name: String) async throws -> RawConnection {
                let connection = try await RawConnection.open(server.port)
                let body = text(
                    of:
                        exactly(1500, [question(name, [])], ["stream": true]))
                try await connection.send(
                    TestServer.head("POST", "/v1/chat/completions", [:], body) + body)
                return connection
            }
            let first = try await open("One")
            _ = await first.read { $0.contains("\"content\":") }
            let second = try await open("Two")
            // The second one's first text comes although the first one goes on.
            #expect(await second.read { $0.contains("\"delta\":{\"content\":") }.contains("200 OK"))
            #expect(try await first.rest().contains("[DONE]"))
            #expect(try await second.rest().contains("[DONE]"))
        }
    }
}

extension RawConnection {
    /// All that comes up to the end of a stream.
    func rest() async throws -> String { await read { $0.contains("[DONE]") } }
}
