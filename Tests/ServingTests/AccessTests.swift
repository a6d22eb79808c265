// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Serving

/// Who may use a server, and what it tells of them.
@Suite struct AccessTests {
    @Test func keysOpenAllButThePage() async throws {
        try await TestServer.run {
            $0.keys = ["first-secret", "second-secret"]
        } _: { server in
            for path in ["/", "/index.html", "/health", "/livez"] {
                #expect(try await server.get(path).status == 200, "\(path)")
            }
            let body = exactly(1, [question("Hi", [])])
            for headers in [
                [:], ["Authorization": "Bearer wrong"], ["Authorization": "first-secret"],
                ["Authorization": "Bearer "], ["Authorization": "Basic first-secret"],
                ["X-Api-Key": "third-secret"], ["Authorization": "Bearer first-secre"],
            ] as [[String: String]] {
                let answer = try await server.post("/v1/chat/completions", body, headers: headers)
                #expect(answer.status == 401, "\(headers)")
                #expect(answer.headers["www-authenticate"] == "Bearer")
                #expect(try answer.value("error", "type") as? String == "authentication_error")
            }
            for headers in [
                ["Authorization": "Bearer first-secret"], ["Authorization": "bearer second-secret"],
                ["X-Api-Key": "second-secret"],
            ] {
                let answer = try await server.post("/v1/chat/completions", body, headers: headers)
                #expect(answer.status == 200, "\(headers)")
            }
            for path in ["/v1/models", "/metrics", "/api/tags"] {
                #expect(try await server.get(path).status == 401, "\(path)")
            }
            #expect(!server.log.all.joined().contains("secret"))
        }
    }

    @Test func pagesOfOtherOriginsAreLetInByName() async throws {
        let friend = "https://friend.example"
        try await TestServer.run {
            $0.keys = ["secret"]
            $0.origins = [friend]
        } _: { server in
            func preflight(_ origin: String) async throws -> RawAnswer {
                try await server.request(
                    "OPTIONS", "/v1/chat/completions",
                    headers: [
                        "Origin": origin, "Access-Control-Request-Method": "POST",
                        "Access-Control-Request-Headers": "authorization,x-stainless-os",
                    ])
            }
            // A preflight request has no key.
            let allowed = try await preflight(friend)
            #expect(allowed.status == 204)
            #expect(allowed.headers["access-control-allow-origin"] == friend)
            #expect(
                allowed.headers["access-control-allow-headers"] == "authorization,x-stainless-os")
            let refused = try await preflight("https://stranger.example")
            #expect(refused.status == 204)
            #expect(refused.headers["access-control-allow-origin"] == nil)
            let body = exactly(1, [question("Hi", [])])
            let key = ["Authorization": "Bearer secret"]
            let stranger = try await server.post(
                "/v1/chat/completions", body,
                headers: key.merging(["Origin": "https://stranger.example"]) { $1 })
            #expect(stranger.status == 403)
            let welcome = try await server.post(
                "/v1/chat/completions", body, headers: key.merging(["Origin": friend]) { $1 })
            #expect(welcome.status == 200)
            #expect(welcome.headers["access-control-allow-origin"] == friend)
            // Errors can be read, too.
            let unknown = try await server.post(
                "/v1/chat/completions", body, headers: ["Origin": friend])
            #expect(unknown.status == 401)
            #expect(unknown.headers["access-control-allow-origin"] == friend)
            let own = try await server.post(
                "/v1/chat/completions", body,
                headers: key.merging(["Origin": "http://localhost:1", "Host": "localhost:1"]) { $1 }
            )
            #expect(own.status == 200)
        }
    }

    /// A page whose name was made to mean this machine is refused.
    @Test func namesOfOtherMachinesAreRefused() async throws {
        try await TestServer.run { server in
            for host in [
                "evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil",
            ] {
                let answer = try await server.get("/v1/models", headers: ["Host": host])
                #expect(answer.status == 403, "\(host)")
            }
            for host in ["localhost", "LOCALHOST:99", "127.0.0.1:99", "[::1]:99", "box.local"] {
                let answer = try await server.get("/v1/models", headers: ["Host": host])
                #expect(answer.status == 200, "\(host)")
            }
        }
    }

    @Test func thePageMayRunItsOwnScriptAlone() async throws {
        try await TestServer.run { server in
            let page = try await server.get("/")
            #expect(page.status == 200)
            #expect(page.headers["content-type"] == "text/html; charset=utf-8")
            let policy = try #require(page.headers["content-security-policy"])
            #expect(policy.contains("default-src 'none'"))
            #expect(policy.contains("script-src 'sha256-"))
            #expect(!policy.contains("unsafe"))
            #expect(page.headers["x-content-type-options"] == "nosniff")
            let tag = try #require(page.headers["etag"])
            let again = try await server.get("/", headers: ["If-None-Match": tag])
            #expect(again.status == 304)
            let head = try await server.request("HEAD", "/")
            #expect(head.status == 200)
        }
    }

    @Test func requestsHaveNames() async throws {
        try await TestServer.run { server in
            let own = try await server.get("/v1/models", headers: ["X-Request-Id": "my-id.1"])
            #expect(own.headers["x-request-id"] == "my-id.1")
            for odd in ["with space", String(repeating: "x", count: 65), "a\"b", "ä"] {
                let answer = try await server.get("/v1/models", headers: ["X-Request-Id": odd])
                #expect(answer.headers["x-request-id"]?.hasPrefix("req_") == true, "\(odd)")
            }
            #expect(try await server.get("/nothing").headers["x-request-id"] != nil)
            #expect(
                server.log.all.contains { $0.contains("id=my-id.1") && $0.contains("status=200") })
        }
    }

    /// The log has a line for each request, and nothing of what was asked.
    @Test func theLogKeepsPromptsToItself() async throws {
        try await TestServer.run { server in
            let body = exactly(
                3, [question("a private question", [try dataURL("wide")])], ["stream": true])
            _ = try await server.chat(body)
            _ = try await server.chat(["messages": [question("private", ["file:///private"])]])
            _ = try await server.get("/v1/models/private?private=1")
            try await server.waitUntil { server.log.all.count { $0.contains(" request ") } >= 3 }
            let log = server.log.all.joined(separator: "\n")
            #expect(log.contains("route=/v1/chat/completions status=200"))
            #expect(log.contains("tokens=3"))
            #expect(!log.contains("private") && !log.contains("base64") && !log.contains("iVBOR"))
        }
    }

    @Test func filesAreReadBelowTheMediaFolderAlone() async throws {
        let folder = try TemporaryFolderOfPictures()
        try await TestServer.run {
            $0.mediaFolder = folder.media
        } _: { server in
            for address in [
                "file://\(folder.media)/in.png", "file://in.png", "FILE://in.png",
                "file://sub/../in.png", "file://\(folder.media)/in%2Epng", "file://link-inside.png",
            ] {
                let answer = try await server.chat(exactly(1, [question("?", [address])]))
                #expect(answer.status == 200, "\(address) \(answer.text)")
            }
            for address in [
                "file://\(folder.outside)", "file://../outside.png", "file://link.png",
                "file://absent.png", "file://sub", "file://pipe", "file:///", "file://",
                "file://in.png%00", "file://sub-link/outside.png",
            ] {
                let answer = try await server.chat(exactly(1, [question("?", [address])]))
                #expect(answer.status == 400, "\(address)")
            }
        }
    }
}

/// A folder for media with links that lead out of it.
private struct TemporaryFolderOfPictures {
    let media: String
    let outside: String

    init() throws {
        let root = FileManager.default.temporaryDirectory
            .appendingPathComponent("trimllava-media-\(UUID().uuidString)").path
        media = root + "/media"
        outside = root + "/outside.png"
        let files = FileManager.default
        try files.createDirectory(atPath: media + "/sub", withIntermediateDirectories: true)
        let picture = Data(try pictureFile("small"))
        try picture.write(to: URL(fileURLWithPath: media + "/in.png"))
        try picture.write(to: URL(fileURLWithPath: outside))
        try files.createSymbolicLink(atPath: media + "/link.png", withDestinationPath: outside)
        try files.createSymbolicLink(
            atPath: media + "/link-inside.png", withDestinationPath: "in.png")
        try files.createSymbolicLink(atPath: media + "/sub-link", withDestinationPath: root)
        _ = mkfifo(media + "/pipe", 0o600)
    }
}
