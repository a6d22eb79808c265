// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import HubTestSupport
import Synchronization
import TestSupport
import Testing

@testable import ModelStore

@Suite struct DownloadTests {
    @Test func fillsTheCacheAsThePythonClientDoes() async throws {
        try await DownloadFixture.run { fixture in
            let files = try await fixture.pull()
            try fixture.checkPair(files)
            let folder = fixture.cache.folder(of: DownloadFixture.repository)
            #expect(folder.hasSuffix("/models--acme--tiny-llava-gguf"))
            #expect(
                files.text == "\(folder)/snapshots/\(HubStandIn.commit)/\(DownloadFixture.text)")
            let target = try FileManager.default.destinationOfSymbolicLink(atPath: files.text)
            #expect(target == "../../blobs/\(HubStandIn.hash(of: fixture.expected))")
            #expect(
                try DownloadFixture.bytes("\(folder)/refs/main") == Array(HubStandIn.commit.utf8))
            let tag = try String(
                contentsOfFile: "\(fixture.cache.folder)/CACHEDIR.TAG", encoding: .utf8)
            #expect(tag.hasPrefix("Signature: 8a477f597d28d172789f06886806bc55\n"))
        }
    }

    @Test func whatIsHereNeedsNoNetwork() async throws {
        try await DownloadFixture.run { fixture in
            let first = try await fixture.pull()
            fixture.hub.setRule { _, _ in Reply(500) }
            #expect(try await fixture.pull() == first)
            #expect(try await fixture.pull(["HF_HUB_OFFLINE": "1"], updates: true) == first)
            #expect(fixture.hub.requests.isEmpty)
            // Another quantisation is not here.
            await #expect(throws: ModelStoreError.self) { try await fixture.pull(quant: "Q8_0") }
        }
    }

    @Test func asksForUpdatesWithoutFetchingAgain() async throws {
        try await DownloadFixture.run { fixture in
            let first = try await fixture.pull()
            fixture.hub.setRule { $1 }
            #expect(try await fixture.pull(updates: true) == first)
            #expect(!fixture.hub.requests.contains { $0.isStorage })
        }
    }

    @Test func fetchesOnlyWhatIsNeeded() async throws {
        try await DownloadFixture.run { fixture in
            let files = try await fixture.pull([:], .text, quant: "q8_0")
            #expect(files.projector == nil)
            #expect(try DownloadFixture.bytes(files.text) == fixture.hub.files["tiny-Q8_0.gguf"])
            #expect(fixture.hub.requests.count { $0.isStorage } == 1)
        }
    }

    @Test(arguments: 0..<10)
    func continuesAfterTheConnectionWasCut(tenth: Int) async throws {
        let cut = 200_003 * tenth / 10
        try await DownloadFixture.run({ request, reply in
            guard request.isStorage, request.range == nil, reply.body.count == 200_003 else {
                return reply
            }
            var reply = reply
            reply.ending = .cut(after: cut)
            return reply
        }) { fixture in
            // Without a byte there is nothing to continue, and the same fault comes as often as it is tried.
            guard tenth > 0 else {
                let error = await #expect(throws: ModelStoreError.self) { try await fixture.pull() }
                guard case .interrupted(DownloadFixture.text, 0, 200_003, _)? = error else {
                    Issue.record("\(String(describing: error))")
                    return
                }
                return
            }
            try fixture.checkPair(try await fixture.pull())
            let ranges = fixture.hub.requests.filter(\.isStorage).compactMap(\.range)
            #expect(ranges.count == 1)
            // Bytes that were on their way when the connection was cut may be lost.
            #expect(fixture.hub.requests.allSatisfy { $0.first <= cut })
        }
    }

    /// The first answer with a file's content stops after some bytes, and the connection stays open.
    @Test func asksAServerAgainThatFallsSilent() async throws {
        try await DownloadFixture.run({ request, reply in
            guard request.isStorage, request.range == nil, reply.body.count == 200_003 else {
                return reply
            }
            var reply = reply
            reply.ending = .stall(after: 70_000)
            return reply
        }) { fixture in
            var store = try fixture.store()
            store.silence = .seconds(1)
            // On a busy machine later answers may take longer than this second, too.
            store.retries = RetryPolicy(tries: 1000, firstWait: 0, longestWait: 0)
            try fixture.checkPair(try await store.pull(.hub(HubModel(DownloadFixture.repository))))
            let asked = fixture.hub.requests.filter(\.isStorage)
            #expect(asked.contains { $0.range != nil })
        }
    }

    @Test func continuesAnEarlierRun() async throws {
        try await DownloadFixture.run { fixture in
            let blob = fixture.blob()
            try OutputFile.write(
                fixture.expected.prefix(70_000), to: FilePath(blob + ".incomplete"),
                makesFolders: true)
            try fixture.checkPair(try await fixture.pull())
            let asked = fixture.hub.requests.filter(\.isStorage)
            #expect(asked.compactMap(\.range) == ["bytes=70000-"])
            #expect(
                fixture.seen.withLock { $0 }.contains { progress in
                    if case .checking(_, done: 70_000) = progress { true } else { false }
                })
        }
    }

    @Test(arguments: [1, 70_000, 200_003, 200_004])
    func fetchesAgainWhatAnEarlierRunLeftWrong(count: Int) async throws {
        try await DownloadFixture.run { fixture in
            try OutputFile.write(
                [UInt8](repeating: 0, count: count), to: FilePath(fixture.blob() + ".incomplete"),
                makesFolders: true)
            try fixture.checkPair(try await fixture.pull())
        }
    }

    @Test func startsAgainWhereAServerKnowsNoRanges() async throws {
        try await DownloadFixture.run { fixture in
            let whole = fixture.expected
            fixture.hub.setRule { request, reply in
                let isText = request.path.hasSuffix(HubStandIn.hash(of: whole))
                guard request.isStorage, isText else { return reply }
                guard request.range == nil else { return Reply(200, body: whole) }
                var reply = reply
                reply.ending = .cut(after: 1000)
                return reply
            }
            try fixture.checkPair(try await fixture.pull())
        }
    }

    @Test func refusesAWrongHash() async throws {
        try await DownloadFixture.run({ request, reply in
            var reply = reply
            if request.isStorage, !reply.body.isEmpty { reply.body[reply.body.count / 2] ^= 1 }
            return reply
        }) { fixture in
            let error = try #require(
                await #expect(throws: ModelStoreError.self) { try await fixture.pull() })
            guard case .damaged(DownloadFixture.tower, let expected, let found) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(expected.hasPrefix("SHA-256 "))
            #expect(found.count == 64)
            #expect(!FileManager.default.fileExists(atPath: fixture.blob(DownloadFixture.tower)))
            #expect(
                !FileManager.default.fileExists(
                    atPath: fixture.blob(DownloadFixture.tower) + ".incomplete"))
            #expect(try fixture.store().find(.hub(HubModel(DownloadFixture.repository))) == nil)
        }
    }

    @Test func refusesMoreBytesThanAnnounced() async throws {
        try await DownloadFixture.run({ request, reply in
            var reply = reply
            if request.isStorage { reply.body.append(0) }
            return reply
        }) { fixture in
            let error = await #expect(throws: ModelStoreError.self) { try await fixture.pull() }
            guard case .damaged? = error else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
    }

    @Test func givesUpWhereTheBytesEndEarly() async throws {
        try await DownloadFixture.run({ request, reply in
            var reply = reply
            guard request.isStorage else { return reply }
            if request.range == nil {
                reply.body = Array(reply.body.prefix(10))
            } else {
                reply = Reply(416)
            }
            return reply
        }) { fixture in
            let error = await #expect(throws: ModelStoreError.self) { try await fixture.pull() }
            guard case .interrupted(DownloadFixture.tower, _, 50_021, _)? = error else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
    }

    @Test(arguments: [429, 500, 502, 503, 504, 408])
    func triesAgain(status: Int) async throws {
        let asked = Mutex<Set<String>>([])
        try await DownloadFixture.run({ request, reply in
            // Each request fails at first.
            let isNew = asked.withLock { $0.insert("\(request.method) \(request.path)").inserted }
            return isNew ? Reply(status, [("Retry-After", "0")]) : reply
        }) { fixture in
            try fixture.checkPair(try await fixture.pull())
            #expect(
                fixture.seen.withLock { $0 }.contains { progress in
                    if case .retrying(_, let reason, seconds: 0) = progress {
                        reason.contains("\(status)")
                    } else {
                        false
                    }
                })
        }
    }

    @Test func givesUpInTheEnd() async throws {
        try await DownloadFixture.run({ _, _ in Reply(503) }) { fixture in
            let error = await #expect(throws: ModelStoreError.self) { try await fixture.pull() }
            guard case .unreachable(_, "the server answers 503")? = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(fixture.hub.requests.count == 4)
        }
    }

    @Test func doesNotWaitAsLongAsAServerLikes() async throws {
        try await DownloadFixture.run({ _, _ in Reply(429, [("Retry-After", "86400")]) }) {
            fixture in
            await #expect(throws: ModelStoreError.self) { try await fixture.pull() }
            #expect(fixture.hub.requests.count == 1)
        }
    }

    @Test(arguments: [401, 403, 404, 400])
    func saysWhatARefusalMeans(status: Int) async throws {
        try await DownloadFixture.run({ _, _ in Reply(status) }) { fixture in
            let error = try #require(
                await #expect(throws: ModelStoreError.self) { try await fixture.pull() })
            let name = HubStandIn.repository
            switch status {
            case 401, 403:
                #expect(error == .accessRefused(repository: name, status: status, hasToken: false))
                #expect("\(error)".contains("HF_TOKEN"))
            case 404: #expect(error == .notFound(repository: name, file: nil))
            default: #expect("\(error)".contains("answers 400"))
            }
            #expect(fixture.hub.requests.count == 1)
        }
    }

    @Test func getsANewAddressWhereTheOldOneHasExpired() async throws {
        try await DownloadFixture.run { fixture in
            fixture.hub.setRule { request, reply in
                let earlier = fixture.hub.requests.count { $0.isStorage && $0.path == request.path }
                return request.isStorage && earlier == 1 ? Reply(403) : reply
            }
            try fixture.checkPair(try await fixture.pull())
        }
    }

    @Test func namesAFileThatIsGone() async throws {
        try await DownloadFixture.run({ request, reply in
            request.path.hasSuffix(DownloadFixture.text) ? Reply(404) : reply
        }) { fixture in
            await #expect(
                throws: ModelStoreError.notFound(
                    repository: HubStandIn.repository, file: DownloadFixture.text)
            ) { try await fixture.pull() }
        }
    }

    @Test func givesTheTokenToTheHubAlone() async throws {
        try await DownloadFixture.run { fixture in
            _ = try await fixture.pull(["HF_TOKEN": "hf_secret"])
            for request in fixture.hub.requests {
                #expect(request.authorization == (request.isStorage ? nil : "Bearer hf_secret"))
            }
            #expect(fixture.hub.requests.contains { $0.isStorage })
        }
    }

    @Test(arguments: ["ftp://127.0.0.1/x", "file:///etc/passwd"])
    func followsNoOtherSchemes(location: String) async throws {
        try await DownloadFixture.run({ request, reply in
            request.method == "GET" && reply.status == 302
                ? Reply(302, [("Location", location)]) : reply
        }) { fixture in
            let error = await #expect(throws: ModelStoreError.self) { try await fixture.pull() }
            #expect(error?.kind == .damaged)
        }
    }

    @Test func followsNoCircle() async throws {
        try await DownloadFixture.run({ request, reply in
            request.isStorage || request.method == "HEAD"
                ? reply : Reply(302, [("Location", request.path)])
        }) { fixture in
            let error = await #expect(throws: ModelStoreError.self) { try await fixture.pull() }
            #expect(error.map { "\($0)".contains("redirects more than 10 times") } == true)
        }
    }

    @Test(arguments: [
        "{}", "[]", "<html>", #"{"sha":"main","siblings":[]}"#,
        #"{"sha":"../../x","siblings":[{"rfilename":"a.gguf"}]}"#,
    ])
    func refusesOtherListings(text: String) async throws {
        try await DownloadFixture.run({ _, _ in Reply(200, body: Array(text.utf8)) }) { fixture in
            let error = await #expect(throws: ModelStoreError.self) { try await fixture.pull() }
            guard case .badAnswer? = error else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
    }

    @Test func leavesTheCacheToNoName() async throws {
        let siblings = ["../../a.gguf", "/a.gguf", "a//b.gguf", "./a.gguf", ""]
            .map { #"{"rfilename":"\#($0)"}"# }.joined(separator: ",")
        let text = #"{"sha":"\#(HubStandIn.commit)","siblings":[\#(siblings)]}"#
        try await DownloadFixture.run({ _, _ in Reply(200, body: Array(text.utf8)) }) { fixture in
            await #expect(throws: ModelStoreError.noTextModel(place: HubStandIn.repository)) {
                try await fixture.pull()
            }
        }
    }

    @Test(arguments: ["\"../../x\"", "", "a/b", ".hidden"])
    func refusesHashesThatAreNoNames(tag: String) async throws {
        try await DownloadFixture.run({ request, reply in
            var reply = reply
            if request.method == "HEAD" {
                reply.headers = reply.headers.filter {
                    !["X-Linked-ETag", "ETag"].contains($0.name)
                }
                reply.headers.append(("X-Linked-ETag", tag))
            }
            return reply
        }) { fixture in
            let error = await #expect(throws: ModelStoreError.self) { try await fixture.pull() }
            #expect(error.map { "\($0)".contains("X-Linked-ETag") } == true)
        }
    }

    @Test func saysThatThereIsNoNetwork() async throws {
        try await DownloadFixture.run { fixture in
            // Nothing listens on the port of a server that has ended.
            let other = try await HubStandIn([:])
            await other.stop()
            let error = try #require(
                await #expect(throws: ModelStoreError.self) {
                    try await fixture.pull(["HF_ENDPOINT": other.endpoint])
                })
            #expect(error == .unreachable(server: other.endpoint, reason: "Connection refused"))
        }
    }

    @Test func obeysTheSwitchAgainstDownloads() async throws {
        try await DownloadFixture.run { fixture in
            await #expect(
                throws: ModelStoreError.offline(
                    name: "hf:\(HubStandIn.repository)", cache: fixture.cache.folder)
            ) { try await fixture.pull(["HF_HUB_OFFLINE": "1"]) }
            #expect(fixture.hub.requests.isEmpty)
        }
    }

    @Test func waitsForAnotherProcess() async throws {
        try await DownloadFixture.run { fixture in
            let hash = HubStandIn.hash(of: fixture.hub.files[DownloadFixture.tower] ?? [])
            let path = FilePath(fixture.cache.lock(hash, of: DownloadFixture.repository))
            try OutputFolder.make(path.folder)
            let lock = try LockedOutput.opened(path)
            async let files = fixture.pull()
            while !fixture.seen.withLock({ $0 }).contains(where: { progress in
                if case .waiting = progress { true } else { false }
            }) {
                try await Task.sleep(for: .milliseconds(5))
            }
            #expect(!fixture.hub.requests.contains { $0.isStorage })
            closeUnlocked(lock)
            try fixture.checkPair(try await files)
        }
    }

    @Test func twoDownloadsAtOnceShareTheFiles() async throws {
        try await DownloadFixture.run { fixture in
            async let first = fixture.pull()
            async let second = fixture.pull()
            try fixture.checkPair(try await first)
            #expect(try await second == first)
            #expect(fixture.hub.requests.count { $0.isStorage } == 2)
        }
    }

    @Test func checksTheSpaceFirst() async throws {
        try await DownloadFixture.run({ request, reply in
            var reply = reply
            if request.method == "HEAD" {
                reply.headers = reply.headers.filter { $0.name != "X-Linked-Size" }
                reply.headers.append(("X-Linked-Size", "\(1 << 60)"))
            }
            return reply
        }) { fixture in
            let error = await #expect(throws: ModelStoreError.self) { try await fixture.pull() }
            guard case .noSpace(fixture.cache.folder, let needed, let available)? = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(needed == 2 << 60)
            #expect(available > 0)
            #expect(!fixture.hub.requests.contains { $0.isStorage })
        }
    }

    @Test func goesThroughAProxy() async throws {
        // The stand-in takes the place of a proxy: it is asked for a host that does not exist, and refuses.
        try await DownloadFixture.run { fixture in
            let proxy = fixture.hub.endpoint
            let error = await #expect(throws: ModelStoreError.self) {
                try await fixture.pull([
                    "HF_ENDPOINT": "http://hub.invalid", "http_proxy": proxy,
                ])
            }
            #expect(error.map { "\($0)".contains("the proxy makes no connection") } == true)
            #expect(fixture.hub.requests.map(\.method) == ["CONNECT"])
            #expect(fixture.hub.requests.first?.path == "hub.invalid:80")
            await #expect(throws: ModelStoreError.self) {
                try await fixture.pull([
                    "HF_ENDPOINT": "http://hub.invalid", "http_proxy": proxy,
                    "no_proxy": "hub.invalid",
                ])
            }
            #expect(fixture.hub.requests.count == 1)
        }
    }
}
