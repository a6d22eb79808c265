// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import HubTestSupport
import Synchronization
import TestSupport
import Testing

@testable import ModelStore

/// A stand-in for the Hub with a small pair, and an empty cache.
final class DownloadFixture: Sendable {
    static let text = "tiny-Q4_0.gguf"
    static let tower = "mmproj-tiny-f16.gguf"
    static let repository: HubRepository = {
        guard let repository = HubRepository(HubStandIn.repository) else {
            preconditionFailure("the stand-in has a valid name")
        }
        return repository
    }()

    let hub: HubStandIn
    let folder: TemporaryFolder
    let seen = Mutex<[PullProgress]>([])

    init(_ rule: @escaping HubStandIn.Rule = { $1 }) async throws {
        var random = SeededGenerator(seed: 7)
        func bytes(_ count: Int) -> [UInt8] {
            (0..<count).map { _ in .random(in: 0...255, using: &random) }
        }
        hub = try await HubStandIn(
            [
                Self.text: bytes(200_003), "tiny-Q8_0.gguf": bytes(300_001),
                Self.tower: bytes(50_021), "README.md": bytes(100),
            ], rule: rule)
        folder = try TemporaryFolder()
    }

    /// Runs a test with the stand-in, and stops it.
    static func run(
        _ rule: @escaping HubStandIn.Rule = { $1 },
        _ body: (DownloadFixture) async throws -> Void
    ) async throws {
        let fixture = try await DownloadFixture(rule)
        do { try await body(fixture) } catch {
            await fixture.hub.stop()
            throw error
        }
        await fixture.hub.stop()
    }

    var cache: HubCache { HubCache(folder: "\(folder.path)/hub") }
    var expected: [UInt8] { hub.files[Self.text] ?? [] }

    func store(_ more: [String: String] = [:]) throws -> ModelStore {
        let environment = [
            "HF_ENDPOINT": hub.endpoint, "HF_HUB_CACHE": cache.folder, "HOME": folder.path,
            "OLLAMA_MODELS": "/absent",
        ].merging(more) { $1 }
        var store = try ModelStore(environment: environment)
        store.retries = RetryPolicy(tries: 4, firstWait: 0, longestWait: 0)
        // A test may stand still while others take the processor; no server here is silent but where a test says so.
        store.silence = .minutes(30)
        return store
    }

    /// Fetches the pair.
    func pull(
        _ more: [String: String] = [:], _ parts: PullParts = .pair, quant: String? = nil,
        updates: Bool = false
    ) async throws -> ModelFiles {
        let model = HubModel(Self.repository, quantisation: quant)
        return try await store(more).pull(.hub(model), parts, updates: updates) { progress in
            self.seen.withLock { $0.append(progress) }
        }
    }

    /// The path of the file that the bytes of a content come to.
    func blob(_ path: String = text) -> String {
        cache.blob(HubStandIn.hash(of: hub.files[path] ?? []), of: Self.repository)
    }

    static func bytes(_ path: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    }

    /// Checks that the cache has exactly the pair.
    func checkPair(_ files: ModelFiles) throws {
        #expect(try Self.bytes(files.text) == expected)
        #expect(try Self.bytes(try #require(files.projector)) == hub.files[Self.tower])
        let blobs = try FileManager.default.contentsOfDirectory(
            atPath: "\(cache.folder(of: Self.repository))/blobs")
        #expect(
            blobs.sorted()
                == [Self.text, Self.tower].map { HubStandIn.hash(of: hub.files[$0] ?? []) }.sorted()
        )
    }
}
