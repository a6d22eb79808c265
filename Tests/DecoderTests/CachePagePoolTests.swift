// SPDX-License-Identifier: Apache-2.0
import Families
import ModelTestSupport
import TensorOps
import TestSupport
import Testing

@testable import Decoder
@testable import Weights

/// Which sequences get pages, share them, and give them back.
@Suite struct CachePagePoolTests {
    private let pair = TinyPair()
    private let tokens: [Int32] = (0..<60).map { Int32(3 + $0 * 4) }

    private func pool(_ model: LLaVAModel, pages: Int) throws -> CachePagePool {
        try CachePagePool(model.decoder.config, rows: 16 * pages, format: .f32)
    }

    @Test func pagesAreTakenAsRowsAreWritten() throws {
        let model = try pair.load()
        let pool = try pool(model, pages: 9)
        let cache = try KeyValueCache(pool, rows: 70)
        #expect(pool.usage == CachePagePool.Usage(committed: 5, promised: 5))
        _ = try model.logits(Array(tokens[..<16]), cache)
        #expect(
            pool.usage == CachePagePool.Usage(taken: 1, committed: 4, mostTaken: 1, promised: 4))
        _ = try model.logits(Array(tokens[16..<33]), cache)
        #expect(
            pool.usage == CachePagePool.Usage(taken: 3, committed: 2, mostTaken: 3, promised: 2))
        #expect(cache.pageCount == 3)
        // Pages that are free again have their memory.
        cache.truncate(to: 16)
        #expect(
            pool.usage == CachePagePool.Usage(taken: 1, committed: 4, mostTaken: 3, promised: 2))
        let other = try KeyValueCache(pool, rows: 32)
        #expect(withExtendedLifetime(other) { pool.usage.promised } == 4)
    }

    @Test func whoCannotFinishDoesNotStart() throws {
        let model = try pair.load()
        let pool = try pool(model, pages: 4)
        let first = try KeyValueCache(pool, rows: 40)
        let refused = ModelError.outOfCachePages(rows: 20, pages: 2, free: 1, capacity: 4)
        #expect(throws: refused) { try KeyValueCache(pool, rows: 20) }
        _ = try model.logits(Array(tokens[..<40]), first)
        #expect(throws: refused) { try KeyValueCache(pool, rows: 20) }
        #expect(withExtendedLifetime(first) { pool.usage.committed } == 0)
        _ = try KeyValueCache(pool, rows: 16)
    }

    @Test func aSequenceThatEndsGivesEverythingBack() throws {
        let model = try pair.load()
        let pool = try pool(model, pages: 4)
        do {
            let cache = try KeyValueCache(pool, rows: 64)
            _ = try model.logits(Array(tokens[..<20]), cache)
        }
        #expect(pool.usage == CachePagePool.Usage(taken: 0, committed: 0, mostTaken: 2))
    }

    /// Prefixes that end within a page, at its end, and before its first row.
    @Test(arguments: [0, 5, 16, 20, 32])
    func aSharedPrefixGivesTheSameBitsAndTakesItsFullPagesOnce(length: Int) throws {
        let model = try pair.load()
        let pool = try pool(model, pages: 20)
        let alone = try KeyValueCache(pool, rows: 60)
        let expected = try model.logits(tokens, alone)
        let before = pool.usage.taken

        let prefix = try KeyValueCache(pool, rows: length)
        let width = model.decoder.vocabularySize
        if length > 0 { _ = try model.logits(Array(tokens[..<length]), prefix) }
        let followers = try (0..<3).map { _ in
            try KeyValueCache(continuing: prefix, rows: 60)
        }
        for follower in followers {
            #expect(follower.rowCount == length)
            let isEqual =
                try model.logits(Array(tokens[length...]), follower)
                == Array(expected[(length * width)...])
            #expect(isEqual)
        }
        let usage = withExtendedLifetime((alone, prefix, followers)) { pool.usage }
        let shared = length / 16
        #expect(usage.taken - before == CachePageLayout.pageCount(length) + 3 * (4 - shared))
        #expect(usage.committed == 0)
    }

    @Test func followersOutliveTheirPrefix() throws {
        let model = try pair.load()
        let pool = try pool(model, pages: 8)
        let expected = try model.logits(tokens, try KeyValueCache(pool, rows: 60))
        var prefix: KeyValueCache? = try KeyValueCache(pool, rows: 40)
        _ = try model.logits(Array(tokens[..<40]), try #require(prefix))
        let follower = try KeyValueCache(continuing: try #require(prefix), rows: 60)
        prefix = nil
        // A sequence that takes the freed pages must not change the follower.
        let other = try KeyValueCache(pool, rows: 16)
        _ = try model.logits(Array(tokens[..<16].reversed()), other)
        let rest = try model.logits(Array(tokens[40...]), follower)
        let isEqual = rest == Array(expected.suffix(rest.count))
        #expect(isEqual)
        #expect(withExtendedLifetime((follower, other)) { pool.usage.taken } == 2 + 2 + 1)
    }

    @Test func headsThatBytesCannotHoldAreRefused() throws {
        let model = try pair.load()
        let width = model.decoder.config.attention.headWidth
        #expect(
            throws: ModelError.cacheFormatMismatch(format: "q8_0", headWidth: width, multiple: 32)
        ) {
            try CachePagePool(model.decoder.config, rows: 16, format: .q8_0)
        }
    }

    /// Sequences in one batch get the results that they get alone, and a failing one does not
    /// affect the others.
    @Test func neighboursDoNotMatterEvenIfTheyFail() throws {
        let spoilt: Int32 = 270
        let model = try pair.spoiling(spoilt).load()
        let pool = try pool(model, pages: 12)
        let prompts: [[Int32]] = [[5, 6, 7], [8, spoilt, 9], [10], Array(tokens[..<20])]
        let caches = try prompts.map { try KeyValueCache(pool, rows: $0.count) }
        let batch = DecoderBatch(model.decoder)
        batch.restart(rows: prompts.reduce(0) { $0 + $1.count })
        for (prompt, cache) in zip(prompts, caches) {
            let rows = batch.append(positions: prompt.indices.map { Position($0) }[...], to: cache)
            for (row, token) in zip(rows, prompt) {
                model.decoder.embed(token, into: batch.hidden.row(row))
            }
        }
        try model.decoder.run(batch, cancellation: Cancellation())
        for (index, prompt) in prompts.enumerated() where index != 1 {
            let part = batch.parts[index]
            #expect(part.error == nil && caches[index].rowCount == prompt.count)
            let alone = try model.logits(prompt, try KeyValueCache(pool, rows: prompt.count))
            let last = part.rows.upperBound - 1
            let scores = Array(try model.decoder.logits(batch, rows: [last]).row(0))
            let isEqual = scores == Array(alone.suffix(scores.count))
            #expect(isEqual)
        }
        #expect(batch.parts[1].error == .notFinite(place: "decoder layer 0"))
        #expect(caches[1].rowCount == 0)
    }
}
