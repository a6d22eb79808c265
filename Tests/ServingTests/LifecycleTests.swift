// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import TestSupport
import Testing
import TrimLLaVA

@testable import Serving

/// The beginning and the end of a server.
@Suite struct LifecycleTests {
    /// It listens before the model is loaded, and says so.
    @Test func requestsBeforeTheModelIsLoadedAreToldToWait() async throws {
        let gate = DispatchSemaphore(value: 0)
        let (server, port, running) = try await Self.start { gate.wait() }
        defer { server.stop() }
        #expect(try await Self.get(port, "/livez").status == 200)
        #expect(try await Self.get(port, "/").status == 200)
        for path in ["/health", "/v1/models", "/api/tags"] {
            let answer = try await Self.get(port, path)
            #expect(answer.status == 503, "\(path)")
            #expect(answer.text.contains("Loading model"))
            #expect(answer.headers["retry-after"] != nil)
        }
        // Nobody has to send a body for that.
        for path in [
            "/v1/chat/completions", "/v1/chat/completions/input_tokens", "/v1/completions",
            "/v1/messages", "/v1/messages/count_tokens", "/api/chat", "/api/generate", "/api/show",
        ] {
            let connection = try await RawConnection.open(port)
            try await connection.send(TestServer.head("POST", path, ["Content-Length": "1000000"]))
            #expect(try await connection.answer().status == 503, "\(path)")
            connection.closeQuietly()
        }
        gate.signal()
        while try await Self.get(port, "/health").status != 200 {
            try await Task.sleep(for: .milliseconds(5))
        }
        server.stop()
        try await running.value
    }

    @Test func aModelThatCannotBeLoadedEndsTheServer() async throws {
        let error = LLaVAError.other("no such model")
        let (_, _, running) = try await Self.start(failing: error) {}
        await #expect(throws: error) { try await running.value }
    }

    @Test func aPortInUseIsAnError() async throws {
        let (server, port, running) = try await Self.start {}
        var options = ServingOptions()
        options.address = .host("127.0.0.1", port: port)
        let second = LLaVAServer(options, log: LogLines().logger) { _ throws(LLaVAError) in
            throw .other("not reached")
        }
        let refusal = await #expect(throws: ServingError.self) {
            try await second.run { _ in }
        }
        #expect("\(try #require(refusal))".contains("127.0.0.1:\(port)"))
        server.stop()
        try await running.value
    }

    @Test func aHostWithoutAnAddressIsAnError() async throws {
        var options = ServingOptions()
        options.address = .host("no-such-host.invalid", port: 0)
        let server = LLaVAServer(options, log: LogLines().logger) { _ throws(LLaVAError) in
            throw .other("not reached")
        }
        let refusal = await #expect(throws: ServingError.self) { try await server.run { _ in } }
        guard case .unknownHost("no-such-host.invalid", let reason) = refusal else {
            Issue.record("\(String(describing: refusal))")
            return
        }
        #expect(!reason.isEmpty && !reason.contains("UnknownHost"))
    }

    /// Answers on their way are finished; what comes later is refused.
    @Test func stoppingFinishesAnswers() async throws {
        try await TestServer.run {
            // Longer than an answer takes among all other tests.
            $0.limits.graceSeconds = 600
        } _: { server in
            let expected = try server.llava.run("Hello", [], exactly(600)).text
            let connection = try await RawConnection.open(server.port)
            let body = text(of: exactly(600, [question("Hello", [])], ["stream": true]))
            try await connection.send(
                TestServer.head("POST", "/v1/chat/completions", [:], body) + body)
            let start = await connection.read { $0.contains("\"delta\":{\"content\":") }
            server.server.stop()
            let text = start + (await connection.read { $0.contains("[DONE]") })
            #expect(text.contains("[DONE]"))
            #expect(try streamedText(text) == expected)
        }
    }

    /// Answers that are longer than the grace period end with what there is.
    @Test func theGracePeriodEnds() async throws {
        try await TestServer.run {
            $0.limits.graceSeconds = 0
        } _: { server in
            var connections: [RawConnection] = []
            for index in 0..<6 {
                let connection = try await RawConnection.open(server.port)
                let body = text(
                    of:
                        exactly(4000, [question("Hello \(index)", [])], ["stream": true]))
                try await connection.send(
                    TestServer.head("POST", "/v1/chat/completions", [:], body) + body)
                connections.append(connection)
            }
            _ = await connections[0].read { $0.contains("\"delta\":{\"content\":") }
            server.server.stop()
            for connection in connections { _ = await connection.read { _ in false } }
        }
    }

    @Test func unixSocketsAreServed() async throws {
        let folder = try TemporaryFolder()
        var options = ServingOptions()
        options.address = .unixSocket(path: folder.path + "/socket")
        let listening = Mutex<String?>(nil)
        let llava = try Self.llava()
        let server = LLaVAServer(options, log: LogLines().logger) { _ throws(LLaVAError) in llava }
        let running = Task {
            try await server.run { address in
                listening.withLock { $0 = address.unixSocket }
                server.stop()
            }
        }
        try await running.value
        #expect(listening.withLock { $0 } == folder.path + "/socket")
    }

    @Test func metricsAreWhatPrometheusReads() async throws {
        try await TestServer.run { server in
            _ = try await server.chat(
                exactly(3, [question("Hi", [try dataURL("wide")])], ["keep": 4]))
            let text = try await server.get("/metrics").text
            var names: Set<String> = []
            for line in text.split(separator: "\n") {
                if line.hasPrefix("# TYPE ") {
                    names.insert(String(line.split(separator: " ")[2]))
                } else if !line.hasPrefix("#") {
                    let pattern = /[a-z0-9_]+(\{[^}]*\})? [0-9.e+-]+/
                    #expect(try pattern.wholeMatch(in: String(line)) != nil, "\(line)")
                }
            }
            #expect(names.contains("trimllava_time_to_first_token_seconds"))
            #expect(try await server.metric("tokens_predicted_total") == 3)
            #expect(try await server.metric("kept_tokens_total") == 4)
            #expect(text.contains(#"answers_total{finish_reason="length"} 1"#))
            #expect(
                text.contains(#"requests_total{route="/v1/chat/completions",status="200"} 1"#))
        }
    }

    @Test func theDocumentTellsThisVersion() async throws {
        try await TestServer.run { server in
            let document = try await server.get("/openapi.json")
            #expect(try document.value("info", "version") as? String == Release.version)
        }
    }

    private static func llava() throws -> LLaVA {
        let name = "llava-1.5-gqa"
        return try LLaVA(
            text: Fixture.path("models/\(name)/\(name)-f32.gguf"),
            projector: Fixture.path("models/\(name)/\(name)-mmproj-f32.gguf"))
    }

    private static func start(
        failing error: LLaVAError? = nil, _ beforeLoading: @escaping @Sendable () -> Void
    ) async throws -> (LLaVAServer, Int, Task<Void, any Error>) {
        var options = ServingOptions()
        options.address = .host("127.0.0.1", port: 0)
        let llava = try llava()
        let server = LLaVAServer(options, log: LogLines().logger) { _ throws(LLaVAError) in
            beforeLoading()
            if let error { throw error }
            return llava
        }
        let (ports, passing) = AsyncStream.makeStream(of: Int.self)
        let running = Task { try await server.run { passing.yield($0.port ?? 0) } }
        var iterator = ports.makeAsyncIterator()
        return (server, try #require(await iterator.next()), running)
    }

    private static func get(_ port: Int, _ path: String) async throws -> RawAnswer {
        let connection = try await RawConnection.open(port)
        defer { connection.closeQuietly() }
        try await connection.send(TestServer.head("GET", path))
        return try await connection.answer()
    }
}
