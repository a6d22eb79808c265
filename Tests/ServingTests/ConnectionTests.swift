// SPDX-License-Identifier: Apache-2.0
import Foundation
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Serving

/// More connections than there may be.
@Suite struct ConnectionTests {
    /// Those that have asked for nothing make room for those that come, the oldest first.
    @Test func idleConnectionsMakeRoom() async throws {
        try await TestServer.run {
            $0.limits.connections = 4
            $0.limits.headSeconds = 600
        } _: { server in
            var idle: [RawConnection] = []
            for _ in 0..<20 { idle.append(try await RawConnection.open(server.port)) }
            try await expectService(server)
            // The first 16 had to go, and one more for the question.
            for connection in idle.prefix(16) { #expect(await connection.next() == nil) }
            for connection in idle { connection.closeQuietly() }
        }
    }

    /// A connection that has had its answer is idle; one whose answer is on its way is not.
    @Test func connectionsWithRequestsStay() async throws {
        try await TestServer.run {
            $0.limits.connections = 4
            $0.limits.idleSeconds = 600
        } _: { server in
            let answered = try await RawConnection.open(server.port)
            try await answered.send(TestServer.head("GET", "/livez"))
            #expect(try await answered.answer().status == 200)
            let uploading = try await Self.uploading(server)
            for _ in 0..<8 { try await expectService(server) }
            var others: [RawConnection] = []
            for _ in 0..<8 { others.append(try await RawConnection.open(server.port)) }
            #expect(await answered.next() == nil)
            try await uploading.send(Self.body)
            #expect(try await uploading.answer().status == 200)
            for connection in others + [uploading] { connection.closeQuietly() }
        }
    }

    private static let body = text(of: exactly(2, [question("Hi", [])]))

    /// A connection whose request lacks its body, once the server has read the head.
    private static func uploading(_ server: TestServer) async throws -> RawConnection {
        let open = try await server.metric("requests_open")
        let connection = try await RawConnection.open(server.port)
        try await connection.send(TestServer.head("POST", "/v1/chat/completions", [:], body))
        try await server.waitUntil { try await server.metric("requests_open") == open + 1 }
        return connection
    }

    /// Where all have requests, a new one is told so in words, and supervisors are answered as ever.
    @Test func whoComesBeyondTheLimitIsTold() async throws {
        try await TestServer.run {
            $0.limits.connections = 2
            $0.limits.bodySeconds = 600
            $0.limits.refusalLogSeconds = 1
        } _: { server in
            let busy = [try await Self.uploading(server), try await Self.uploading(server)]
            for path in ["/v1/chat/completions", "/api/chat", "/v1/messages"] {
                let refused = try await server.request("POST", path, body: Self.body)
                #expect(refused.status == 503)
                #expect(refused.text.contains("too many connections"))
                #expect(refused.headers["connection"] == "close")
                #expect(refused.headers["retry-after"] != nil)
            }
            #expect(try await server.metric("connections_refused_total") == 3)
            let counted = "trimllava_requests_total{route=\"none\",status=\"503\"} 3\n"
            #expect(try await server.get("/metrics").text.contains(counted))
            // One line at once, and one about all others a while later.
            try await server.waitUntil { Self.refusals(server).reduce(0, +) == 3 }
            #expect(Self.refusals(server).first == 1)
            #expect(Self.refusals(server).count <= 3)
            #expect(try await server.get("/livez").status == 200)
            #expect(try await server.get("/health").status == 200)
            // Who says nothing is cut soon.
            let silent = try await RawConnection.open(server.port)
            #expect(await silent.next() == nil)
            for connection in busy {
                try await connection.send(Self.body)
                #expect(try await connection.answer().status == 200)
                connection.closeQuietly()
            }
            try await server.waitUntil { try await server.metric("connections") == 1 }
            try await expectService(server)
        }
    }

    /// The numbers of refusals that lines of the log tell.
    private static func refusals(_ server: TestServer) -> [Int] {
        server.log.all.compactMap { line in
            guard line.hasPrefix("warning requests were refused: too many connections") else {
                return nil
            }
            return line.split(separator: "refused=").last.flatMap { Int($0) }
        }
    }

    /// The time for a body is that of the bytes that have come, whatever length was announced.
    @Test func largeBodiesThatDripAreCut() async throws {
        try await TestServer.run {
            $0.limits.bodySeconds = 2
        } _: { server in
            let connection = try await RawConnection.open(server.port)
            try await connection.send(
                TestServer.head("POST", "/v1/chat/completions", ["Content-Length": "60000000"]))
            let dripping = Task {
                while !Task.isCancelled {
                    try await connection.send("{")
                    try await Task.sleep(for: .milliseconds(100))
                }
            }
            defer { dripping.cancel() }
            _ = await connection.read { _ in false }
        }
    }

    @Test func limitsFitTheDescriptors() {
        for (descriptors, connections) in [
            (20, 1), (64, 1), (65, 1), (164, 80), (1024, 768), (20_000, 1024),
        ] {
            var limits = ServingLimits()
            limits.fit(descriptors: descriptors)
            #expect(limits.connections == connections, "\(descriptors)")
            #expect(
                descriptors < 80
                    || limits.connections + limits.spareConnections <= descriptors - 64)
        }
    }

    /// A server fetches no addresses, so that redirects and names that change do no harm (SSRF).
    @Test func nothingIsFetched() async throws {
        let visits = Mutex(0)
        let other = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                visits.withLock { $0 += 1 }
                return channel.close()
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(other.localAddress?.port)
        try await TestServer.run { server in
            for host in ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]", "0x7f.1"] {
                for scheme in ["http", "https", "HTTP", "ftp"] {
                    let address = "\(scheme)://\(host):\(port)/redirect.png"
                    let answer = try await server.chat(exactly(2, [question("?", [address])]))
                    #expect(answer.status == 400, "\(address)")
                }
            }
            try await expectService(server)
        }
        #expect(visits.withLock { $0 } == 0)
        try await other.close()
    }
}
