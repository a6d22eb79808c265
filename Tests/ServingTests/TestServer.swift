// SPDX-License-Identifier: Apache-2.0
import Foundation
import Logging
import Synchronization
import TestSupport
import Testing
import TrimLLaVA

@testable import Serving

/// A server of a tiny model on a free port of this machine.
final class TestServer: Sendable {
    let server: LLaVAServer
    let port: Int
    let llava: LLaVA
    /// Everything that it logged.
    let log: LogLines

    private init(_ server: LLaVAServer, _ port: Int, _ llava: LLaVA, _ log: LogLines) {
        (self.server, self.port, self.llava, self.log) = (server, port, llava, log)
    }

    /// Runs a server while `body` talks to it, once the model is loaded.
    ///
    /// - Parameters:
    ///   - model: a golden model's name, or "demonstration".
    ///   - seesPictures: whether it is loaded with its projector.
    ///   - options: changes what is usual.
    static func run<Result: Sendable>(
        _ model: String = "llava-1.5-gqa", context: Int? = nil, seesPictures: Bool = true,
        _ options: (inout ServingOptions) -> Void = { _ in },
        _ body: (TestServer) async throws -> Result
    ) async throws -> Result {
        var serving = ServingOptions()
        serving.address = .host("127.0.0.1", port: 0)
        serving.modelName = model
        serving.parallel = 2
        options(&serving)
        let llava = try load(model, context: context, seesPictures: seesPictures)
        let lines = LogLines()
        let server = LLaVAServer(serving, log: lines.logger) { _ throws(LLaVAError) in llava }
        let (ports, passing) = AsyncStream.makeStream(of: Int.self)
        let running = Task {
            defer { passing.finish() }
            try await server.run { passing.yield($0.port ?? 0) }
        }
        var iterator = ports.makeAsyncIterator()
        guard let port = await iterator.next() else {
            try await running.value
            throw RawAnswer.Incomplete(text: "the server ended before it listened")
        }
        let test = TestServer(server, port, llava, lines)
        do {
            try await test.waitUntil { try await test.get("/health").status == 200 }
            let result = try await body(test)
            server.stop()
            try await running.value
            return result
        } catch {
            server.stop()
            _ = await running.result
            throw error
        }
    }

    private static func load(
        _ model: String, context: Int?, seesPictures: Bool
    ) throws -> LLaVA {
        var options = LoadOptions()
        options.context = context
        guard model == "demonstration" else {
            return try LLaVA(
                text: Fixture.path("models/\(model)/\(model)-f32.gguf"),
                projector: seesPictures
                    ? Fixture.path("models/\(model)/\(model)-mmproj-f32.gguf") : nil,
                options: options)
        }
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../Sources/Product/DemoModel/Resources").standardized
        return try LLaVA(
            text: folder.appendingPathComponent("scenes-q8_0.gguf").path,
            projector: folder.appendingPathComponent("scenes-mmproj-f16.gguf").path,
            options: options)
    }

    // MARK: Requests

    /// Makes a request on a connection of its own.
    func request(
        _ method: String, _ path: String, headers: [String: String] = [:], body: String? = nil
    ) async throws -> RawAnswer {
        let connection = try await RawConnection.open(port)
        defer { connection.closeQuietly() }
        try await connection.send(Self.head(method, path, headers, body) + (body ?? ""))
        return try await connection.answer(toHead: method == "HEAD")
    }

    func get(_ path: String, headers: [String: String] = [:]) async throws -> RawAnswer {
        try await request("GET", path, headers: headers)
    }

    func post(
        _ path: String, _ body: JSONValue, headers: [String: String] = [:]
    ) async throws -> RawAnswer {
        try await request("POST", path, headers: headers, body: body.text)
    }

    /// Asks for a chat completion.
    func chat(_ body: JSONValue) async throws -> RawAnswer {
        try await post("/v1/chat/completions", body)
    }

    /// The head of a request, with its empty line.
    static func head(
        _ method: String, _ path: String, _ headers: [String: String] = [:], _ body: String? = nil
    ) -> String {
        var fields = ["Host": "localhost"]
        if let body { fields["Content-Length"] = "\(body.utf8.count)" }
        fields.merge(headers) { $1 }
        let lines = fields.map { "\($0.key): \($0.value)\r\n" }.joined()
        return "\(method) \(path) HTTP/1.1\r\n\(lines)\r\n"
    }

    // MARK: What goes on inside

    /// A number among the metrics; 0 where there is none of the name.
    func metric(_ name: String) async throws -> Double {
        let text = try await get("/metrics").text
        let line = text.split(separator: "\n").first { $0.hasPrefix("trimllava_\(name) ") }
        return line.flatMap { Double($0.split(separator: " ")[1]) } ?? 0
    }

    /// Waits until a condition holds; the test's own time limit is the end.
    func waitUntil(_ condition: () async throws -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(120)
        while !(try await condition()) {
            try #require(ContinuousClock.now < end, "what is waited for does not happen")
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}

/// Collects what is logged.
final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])

    /// All lines.
    var all: [String] { lines.withLock { $0 } }

    var logger: Logger {
        var logger = Logger(label: "test") { [self] _ in Handler(lines: self) }
        logger.logLevel = .info
        return logger
    }

    private struct Handler: LogHandler {
        let lines: LogLines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.info

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let all = metadata.merging(event.metadata ?? [:]) { $1 }
            let facts = all.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            lines.lines.withLock {
                $0.append("\(event.level) \(event.message) \(facts.joined(separator: " "))")
            }
        }
    }
}
