// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Foundation
import GGUF
import ModelTestSupport
import Synchronization
import TensorOps
import TestSupport
import Testing

@testable import Decoder
@testable import Families
@testable import Weights

/// Files of rows that prompts start with.
@Suite struct PrefixStoreTests {
    private let folder: TemporaryFolder
    private let file: GGUFFile
    private let model: LLaVAModel
    private let pool: CachePagePool
    private let warnings = WarningList()
    private let tokens = (0..<37).map { Int32(263 + $0 % 7) }

    init() throws {
        folder = try TemporaryFolder()
        let pair = TinyPair()
        file = try GGUFFile(path: folder.write(pair.text.image().bytes, to: "text.gguf"))
        model = try pair.load()
        pool = try CachePagePool(model.decoder.config, rows: 400, format: .f16)
    }

    private var cache: String { folder.path + "/cache" }

    private func store(version: String = Release.version) -> PrefixStore {
        PrefixStore(
            folder: cache, of: file, PackingOptions(onWarning: warnings.add), context: 100,
            model.ops, version: version)
    }

    private func rows(_ tokens: [Int32]) throws -> KeyValueCache {
        let cache = try KeyValueCache(pool, rows: tokens.count)
        _ = try model.logits(tokens, cache)
        return cache
    }

    private func files() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: cache).sorted()
    }

    @Test func longestOfSeveralFilesIsFound() throws {
        let store = store()
        #expect(try store.longest(of: tokens, in: pool) == nil)
        for count in [20, 37, 30] {
            try store.keep(rows(Array(tokens.prefix(count))), of: Array(tokens.prefix(count)))
        }
        #expect(try files().count == 3)
        for (prompt, count) in [
            (tokens + [1, 2], 37), (tokens, 37), (Array(tokens.prefix(33)) + [1], 33),
            (Array(tokens.prefix(16)), 16),
        ] {
            let found = try #require(try self.store().longest(of: prompt, in: pool))
            #expect(found.rowCount == count)
            let own = try rows(Array(tokens.prefix(count)))
            // What follows is computed from the same numbers.
            let following = try [found, own].map {
                try model.logits([5, 6], KeyValueCache(continuing: $0, rows: count + 2))
            }
            #expect(following[0] == following[1])
        }
        #expect(try store.longest(of: Array(tokens.prefix(15)), in: pool) == nil)
        #expect(try store.longest(of: [1] + tokens, in: pool) == nil)
        #expect(warnings.all.isEmpty)
    }

    /// A sound file is found behind a damaged one that has more rows.
    @Test func aDamagedFileHidesNoOther() throws {
        for count in [20, 37] {
            try store().keep(rows(Array(tokens.prefix(count))), of: Array(tokens.prefix(count)))
        }
        let sizes = try files().map { try Data(contentsOf: URL(fileURLWithPath: "\(cache)/\($0)")) }
        let largest = try #require(sizes.indices.max { sizes[$0].count < sizes[$1].count })
        let path = "\(cache)/\(try files()[largest])"
        var bytes = sizes[largest]
        bytes[bytes.count - 1] ^= 1
        bytes[4100] ^= 1
        try bytes.write(to: URL(fileURLWithPath: path))
        #expect(try store().longest(of: tokens, in: pool)?.rowCount == 20)
        #expect(warnings.all.count == 1 && warnings.all[0].hasPrefix("\(path): damaged"))
    }

    /// A file under the name of another.
    @Test func aFileOfAnotherSourceIsNotUsed() throws {
        try store().keep(rows(tokens), of: tokens)
        let name = try #require(try files().first)
        let other = store(version: "other")
        #expect(try other.longest(of: tokens, in: pool) == nil && warnings.all.isEmpty)
        other.keep(try rows(tokens), of: tokens)
        let second = try #require(try files().first { $0 != name })
        try FileManager.default.removeItem(atPath: "\(cache)/\(second)")
        try FileManager.default.moveItem(atPath: "\(cache)/\(name)", toPath: "\(cache)/\(second)")
        #expect(try other.longest(of: tokens, in: pool) == nil)
        #expect(warnings.all.count == 1 && warnings.all[0].contains("made from another model"))
        other.keep(try rows(tokens), of: tokens)
        #expect(try other.longest(of: tokens, in: pool)?.rowCount == 37)
    }

    @Test func fewPagesAreAnErrorAndNoDamage() throws {
        try store().keep(rows(tokens), of: tokens)
        let small = try CachePagePool(model.decoder.config, rows: 16, format: .f16)
        #expect(throws: ModelError.self) { try store().longest(of: tokens, in: small) }
        #expect(small.usage == CachePagePool.Usage() && warnings.all.isEmpty)
        #expect(try store().longest(of: Array(tokens.prefix(16)), in: small)?.rowCount == 16)
    }

    @Test func theOldestFilesMakeRoomAndOthersStay() throws {
        let foreign = ["mine.prefix", "notes.txt"]
        try FileManager.default.createDirectory(atPath: cache, withIntermediateDirectories: true)
        for name in foreign { try folder.write([1, 2, 3], to: "cache/\(name)") }
        let store = store()
        for index in 0..<(PrefixStore.most.files + 3) {
            let prompt = [Int32(263 + index)] + tokens
            store.keep(try rows(prompt), of: prompt)
        }
        let kept = try files().filter { !foreign.contains($0) }
        #expect(kept.count == PrefixStore.most.files)
        #expect(try foreign.allSatisfy(files().contains))
        #expect(warnings.all.isEmpty)
        let last = [Int32(263 + PrefixStore.most.files + 2)] + tokens
        #expect(try store.longest(of: last, in: pool)?.rowCount == 38)
    }

    @Test func longSequencesAreNotKept() {
        let store = store()
        let layout = pool.layout
        let most = PrefixStore.most.bytes / 4 / layout.byteCount * CachePageLayout.tokens
        #expect(store.takes(most, of: layout) && !store.takes(most + 1, of: layout))
        #expect(store.takes(16, of: layout) && !store.takes(15, of: layout))
    }

    @Test func writersAtTheSameTimeDoNotDisturbEachOther() throws {
        // Each thread has a sequence and a store of its own.
        nonisolated(unsafe) let caches = try (0..<8).map { _ in try rows(tokens) }
        let stores = caches.map { _ in store() }
        DispatchQueue.concurrentPerform(iterations: 8) { index in
            stores[index].keep(caches[index], of: tokens)
        }
        #expect(try files().count == 1 && warnings.all.isEmpty)
        #expect(try store().longest(of: tokens, in: pool)?.rowCount == 37)
    }
}

/// Warnings from any thread.
private final class WarningList: Sendable {
    private let list = Mutex<[String]>([])

    var all: [String] { list.withLock(\.self) }

    func add(_ warning: String) { list.withLock { $0.append(warning) } }
}
