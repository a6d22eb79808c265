// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import TrimLLaVA

@testable import Serving

/// Clients that leave: their places are free, and nobody else notices.
@Suite struct DisconnectTests {
    /// So many tokens that the answer does not end by itself while a client leaves.
    private static let long = 4000

    private static func request(_ body: JSONValue) -> String {
        let text = text(of: body)
        return TestServer.head("POST", "/v1/chat/completions", [:], text) + text
    }

    /// Waits until nothing is in work any more.
    private static func waitUntilIdle(_ server: TestServer) async throws {
        try await server.waitUntil {
            let processing = try await server.metric("requests_processing")
            let deferred = try await server.metric("requests_deferred")
            return processing + deferred == 0
        }
    }

    private static func tokens(_ server: TestServer) async throws -> Double {
        try await server.metric("tokens_predicted_total")
    }

    /// Tokens of a long answer that nobody cuts.
    private static func wholeTokens(
        _ server: TestServer, about pictures: [String] = []
    ) async throws -> Double {
        let before = try await tokens(server)
        let answer = try await server.chat(exactly(long, [question("Hello 0", pictures)]))
        #expect(answer.status == 200)
        try await waitUntilIdle(server)
        return try await tokens(server) - before
    }

    /// Expects that clients who leave get fewer tokens generated than whole answers have.
    ///
    /// On a busy machine an answer may be whole before its client leaves, so there are several attempts.
    private static func expectCut(
        _ server: TestServer, below whole: Double, _ leave: () async throws -> Void
    ) async throws {
        for _ in 0..<50 {
            let before = try await tokens(server)
            try await leave()
            try await waitUntilIdle(server)
            if try await tokens(server) - before < whole { return }
        }
        Issue.record("no answer was cut")
    }

    @Test func whoLeavesAStreamEndsItsAnswer() async throws {
        try await TestServer.run { server in
            let whole = try await Self.wholeTokens(server)
            try await Self.expectCut(server, below: whole) {
                let connection = try await RawConnection.open(server.port)
                try await connection.send(
                    Self.request(
                        exactly(Self.long, [question("Hello 0", [])], ["stream": true])))
                let start = await connection.read { $0.contains("\"delta\":{\"content\":") }
                #expect(start.contains("200 OK"))
                try await connection.close()
            }
            try await server.waitUntil { try await server.metric("requests_open") == 1 }
            try await expectService(server)
        }
    }

    @Test func whoLeavesBeforeAWholeAnswerEndsIt() async throws {
        try await TestServer.run { server in
            let whole = try await Self.wholeTokens(server, about: [try dataURL("wide")])
            try await Self.expectCut(server, below: 8 * whole) {
                var connections: [RawConnection] = []
                for index in 0..<8 {
                    let connection = try await RawConnection.open(server.port)
                    try await connection.send(
                        Self.request(
                            exactly(Self.long, [question("Hello \(index)", [try dataURL("wide")])]))
                    )
                    connections.append(connection)
                }
                for connection in connections { try await connection.close() }
            }
            try await expectService(server)
        }
    }

    /// Ten wait; nine leave; one answer more is generated, and the one in work is as it is alone.
    @Test func whoLeavesTheQueueChangesNothingForOthers() async throws {
        try await TestServer.run {
            $0.parallel = 1
        } _: { server in
            let expected = try server.llava.run("First", [], exactly(400))
            let first = try await RawConnection.open(server.port)
            try await first.send(
                Self.request(exactly(400, [question("First", [])], ["stream": true])))
            let start = await first.read { $0.contains("\"delta\":{\"content\":") }
            var waiting: [RawConnection] = []
            for index in 0..<10 {
                let connection = try await RawConnection.open(server.port)
                try await connection.send(
                    Self.request(exactly(3, [question("Other \(index)", [])])))
                waiting.append(connection)
            }
            for connection in waiting.dropLast() { try await connection.close() }
            let last = try await waiting[9].answer()
            #expect(last.status == 200)
            let whole = start + (await first.read { $0.contains("[DONE]") })
            #expect(try streamedText(whole) == expected.text)
            try await Self.waitUntilIdle(server)
        }
    }

    /// Other answers on the same step are what they are alone.
    @Test func othersAnswersStayBitForBit() async throws {
        try await TestServer.run { server in
            let expected = try server.llava.run("Stay", ["wide"], exactly(300))
            async let stays = server.chat(
                exactly(300, [question("Stay", [try dataURL("wide")])]))
            for index in 0..<5 {
                let connection = try await RawConnection.open(server.port)
                try await connection.send(
                    Self.request(
                        exactly(
                            Self.long, [question("Go \(index)", [try dataURL("square")])],
                            ["stream": true])))
                _ = await connection.next()
                try await connection.close()
            }
            let answer = try await stays
            #expect(
                try answer.value("choices", "0", "message", "content") as? String
                    == expected.text)
        }
    }
}
