// SPDX-License-Identifier: Apache-2.0
import Foundation
import NIOCore
import Testing
import TrimLLaVA

@testable import Serving

/// Clients that are slow, greedy, or many.
@Suite struct LimitTests {
    @Test func requestsBeyondTheQueueAreRefusedAtOnce() async throws {
        try await TestServer.run {
            $0.parallel = 1
            $0.limits.queued = 2
        } _: { server in
            // On a busy machine all may be answered before the late one comes, so there are several attempts.
            var refused: RawAnswer?
            for _ in 0..<50 where refused == nil {
                let late = try await Self.lateAnswer(server)
                if late.status == 429 { refused = late }
            }
            let answer = try #require(refused)
            #expect(try answer.value("error", "type") as? String == "rate_limit_error")
            let seconds = try #require(answer.headers["retry-after"].flatMap { Int($0) })
            #expect((1...60).contains(seconds))
            #expect(try await server.metric("requests_refused_total") >= 1)
            try await expectService(server)
        }
    }

    /// What a request gets that comes when the queue should be full.
    private static func lateAnswer(_ server: TestServer) async throws -> RawAnswer {
        let body = text(of: exactly(4000, [question("Long", [])]))
        let head = TestServer.head("POST", "/v1/chat/completions", [:], body)
        var connections: [RawConnection] = []
        // One answer is generated, two requests are loaded ahead of it, two wait.
        for _ in 0..<5 { connections.append(try await RawConnection.open(server.port)) }
        let late = try await RawConnection.open(server.port)
        for connection in connections { try await connection.send(head + body) }
        try await late.send(head)
        // A refusal does not wait for the body.
        let sending = Task {
            try await Task.sleep(for: .seconds(5))
            try await late.send(body)
        }
        let answer = try await late.answer()
        sending.cancel()
        for connection in connections + [late] { connection.closeQuietly() }
        try await server.waitUntil { try await server.metric("requests_processing") == 0 }
        return answer
    }

    @Test func bodiesBeyondTheLimitAreRefused() async throws {
        try await TestServer.run {
            $0.limits.bodyBytes = 1000
        } _: { server in
            let large = text(of: ["messages": .string(String(repeating: "x", count: 2000))])
            let announced = try await server.request(
                "POST", "/v1/chat/completions", body: large)
            #expect(announced.status == 413)
            #expect(try announced.value("error", "message") as? String != nil)
            // Without a length, as much is read as may be.
            let connection = try await RawConnection.open(server.port)
            defer { connection.closeQuietly() }
            try await connection.send(
                TestServer.head(
                    "POST", "/v1/chat/completions", ["Transfer-Encoding": "chunked"]))
            try await connection.send("7d0\r\n\(String(repeating: "x", count: 2000))\r\n0\r\n\r\n")
            #expect(try await connection.answer().status == 413)
            let small = try await server.chat(["messages": [question("Hi", [])], "max_tokens": 1])
            #expect(small.status == 200)
        }
    }

    @Test func aBodyIsAskedForWhereTheClientWaits() async throws {
        try await TestServer.run { server in
            let body = text(of: exactly(2, [question("Hi", [])]))
            let connection = try await RawConnection.open(server.port)
            defer { connection.closeQuietly() }
            try await connection.send(
                TestServer.head(
                    "POST", "/v1/chat/completions", ["Expect": "100-continue"], body))
            #expect(try await connection.answer().status == 100)
            try await connection.send(body)
            #expect(try await connection.answer().status == 200)
        }
    }

    @Test func aConnectionServesOneRequestAfterTheOther() async throws {
        try await TestServer.run { server in
            let connection = try await RawConnection.open(server.port)
            defer { connection.closeQuietly() }
            for index in 0..<5 {
                let body = text(
                    of:
                        exactly(3, [question("Hi", [])], ["stream": .bool(index % 2 == 0)]))
                try await connection.send(
                    TestServer.head("POST", "/v1/chat/completions", [:], body) + body)
                #expect(try await connection.answer().status == 200)
                try await connection.send(TestServer.head("GET", "/health"))
                #expect(try await connection.answer().status == 200)
            }
        }
    }

    /// Heads that do not come, or drip, end their connections; so do bodies.
    @Test func slowClientsAreCut() async throws {
        try await TestServer.run {
            $0.limits.headSeconds = 5
            $0.limits.idleSeconds = 5
            $0.limits.bodySeconds = 5
        } _: { server in
            let body = TestServer.head(
                "POST", "/v1/chat/completions", ["Content-Length": "30000"])
            try await withThrowingTaskGroup(of: Void.self) { group in
                for start in ["", "GET /hea", body + "{"] {
                    group.addTask {
                        let connection = try await RawConnection.open(server.port)
                        if !start.isEmpty { try await connection.send(start) }
                        // The connection ends although one byte comes after the other.
                        let dripping = Task {
                            while !start.isEmpty {
                                try await connection.send("a")
                                try await Task.sleep(for: .milliseconds(100))
                            }
                        }
                        _ = await connection.read { _ in false }
                        dripping.cancel()
                    }
                }
                group.addTask {
                    let idle = try await RawConnection.open(server.port)
                    try await idle.send(TestServer.head("GET", "/health"))
                    #expect(try await idle.answer().status == 200)
                    #expect(await idle.next() == nil)
                }
                try await group.waitForAll()
            }
            try await server.waitUntil { try await server.metric("connections") == 1 }
        }
    }

    /// A client that asks and asks and takes no answer is cut; others are served meanwhile.
    @Test func clientsThatTakeNothingAreCut() async throws {
        try await TestServer.run {
            $0.limits.stallSeconds = 20
        } _: { server in
            let connection = try await RawConnection.open(server.port, reads: false)
            let requests = String(repeating: TestServer.head("GET", "/"), count: 500)
            try? await connection.send(requests)
            try await server.waitUntil { try await server.metric("connections") == 2 }
            try await expectService(server)
            try await server.waitUntil { try await server.metric("connections") == 1 }
            connection.closeQuietly()
        }
    }

    @Test func headsBeyondTheLimitAreRefused() async throws {
        try await TestServer.run { server in
            for headers in [
                ["X-Long": String(repeating: "x", count: 40_000)],
                Dictionary(uniqueKeysWithValues: (0..<200).map { ("X-\($0)", "y") }),
            ] {
                let connection = try await RawConnection.open(server.port)
                try await connection.send(TestServer.head("GET", "/health", headers))
                #expect(try await connection.answer().status == 400)
                connection.closeQuietly()
            }
            for garbage in ["\u{16}\u{3}\u{1}", "hello\r\n\r\n", "GET / HTTP/9.9\r\n\r\n"] {
                let connection = try await RawConnection.open(server.port)
                try await connection.send(garbage)
                _ = await connection.next()
                connection.closeQuietly()
            }
            try await expectService(server)
        }
    }

    @Test func bytesInFlightAreLimited() async throws {
        try await TestServer.run {
            $0.limits.bytesInFlight = 3000
        } _: { server in
            let waiting = try await RawConnection.open(server.port)
            try await waiting.send(
                TestServer.head("POST", "/v1/chat/completions", ["Content-Length": "2500"])
                    + String(repeating: " ", count: 2000))
            try await server.waitUntil { try await server.metric("bytes_in_flight") == 2000 }
            // What is announced and has not come takes no room.
            let announced = try await RawConnection.open(server.port)
            try await announced.send(
                TestServer.head("POST", "/v1/chat/completions", ["Content-Length": "900"]))
            try await server.waitUntil { try await server.metric("requests_open") == 3 }
            #expect(try await server.metric("bytes_in_flight") == 2000)
            try await announced.close()
            let body = text(of: ["messages": .string(String(repeating: "x", count: 1500))])
            let refused = try await server.request("POST", "/v1/chat/completions", body: body)
            #expect(refused.status == 429)
            try await waiting.close()
            try await server.waitUntil { try await server.metric("bytes_in_flight") == 0 }
            #expect(
                try await server.request("POST", "/v1/chat/completions", body: body).status == 400)
        }
    }

    @Test func aRequestEndsWhenItsTimeIsUp() async throws {
        try await TestServer.run {
            $0.parallel = 1
            $0.limits.requestSeconds = 1
        } _: { server in
            // Its answers would take many seconds; each of them is cut, or never begun.
            let body = text(
                of:
                    exactly(4000, [question("Long", [])]))
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<12 {
                    group.addTask {
                        try await server.request("POST", "/v1/chat/completions", body: body).status
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(statuses.allSatisfy { $0 == 200 || $0 == 408 })
            try await server.waitUntil { try await server.metric("requests_processing") == 0 }
            #expect(try await server.metric("tokens_predicted_total") < 12 * 4000)
        }
    }
}
