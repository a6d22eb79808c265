// SPDX-License-Identifier: Apache-2.0
import Families
import Imaging
import ModelTestSupport
import TensorOps
import TestSupport
import Testing

@testable import Decoder
@testable import Weights

/// The rows that the cache keeps and forgets.
@Suite struct KeyValueCacheTests {
    private let pair = TinyPair()
    private let tokens: [Int32] = (0..<70).map { Int32(3 + $0 * 4) }

    private func cache(
        _ model: LLaVAModel, _ format: CacheFormat = .f32, capacity: Int = 80
    ) throws -> KeyValueCache {
        try KeyValueCache(
            CachePagePool(model.decoder.config, rows: capacity, format: format), rows: capacity)
    }

    /// The scores after every token, in runs of the given lengths.
    private func logits(
        _ model: LLaVAModel, _ lengths: [Int], _ format: CacheFormat
    ) throws -> [Float] {
        let cache = try cache(model, format)
        var start = 0
        return try lengths.flatMap { length in
            defer { start += length }
            #expect(cache.rowCount == start)
            return try model.logits(Array(tokens[start..<start + length]), cache)
        }
    }

    @Test(arguments: ["llama", "qwen2", "phi3", "qwen3"], [CacheFormat.f16, .f32])
    func tokensAtOnceInChunksAndOneByOneAgree(architecture: String, format: CacheFormat) throws {
        var tiny = TinyModel()
        tiny.architecture = architecture
        let model = try TinyPair(tiny).load()
        let together = try logits(model, [70], format)
        for lengths in [[1, 69], [64, 1, 5], [7, 31, 32], .init(repeating: 1, count: 70)] {
            // A product that is rounded to the other side by another order of its sums moves a cached
            // half-precision number by 2⁻¹¹ of itself.
            let tolerance: Float = format == .f32 ? roundingTolerance : 1e-3
            let error = relativeError(try logits(model, lengths, format), together)
            #expect(error < tolerance, "\(lengths): \(error)")
        }
    }

    @Test func halfPrecisionIsCloseButNotEqual() throws {
        let model = try pair.load()
        let error = relativeError(try logits(model, [70], .f16), try logits(model, [70], .f32))
        #expect(error > 0 && error < 2e-3)
    }

    @Test func truncatedRowsAreForgotten() throws {
        let model = try pair.load()
        let (kept, dropped, following) = (tokens[..<5], tokens[5..<9], tokens[20..<23])
        let expected = try cache(model)
        _ = try model.logits(Array(kept), expected)
        let used = try cache(model)
        _ = try model.logits(Array(kept), used)
        _ = try model.logits(Array(dropped), used)
        used.truncate(to: 5)
        #expect(used.rowCount == 5)
        #expect(
            try model.logits(Array(following), used)
                == (try model.logits(Array(following), expected)))
    }

    @Test func aFullCacheHasRoomForExactlyItsCapacity() throws {
        let model = try pair.load()
        let exact = try cache(model, capacity: 70)
        #expect(try model.logits(tokens, exact) == (try logits(model, [70], .f32)))
        #expect(exact.rowCount == exact.capacity)
    }

    @Test func cancelledRunsLeaveTheCacheAsItWas() throws {
        let model = try pair.load()
        let cache = try cache(model)
        _ = try model.logits(Array(tokens[..<5]), cache)
        let cancellation = Cancellation()
        cancellation.cancel()
        #expect(throws: ModelError.cancelled) {
            try model.decoder.logits(
                model.decoder.embed([7, 8, 9]), at: [5, 6, 7], cache, cancellation: cancellation)
        }
        #expect(cache.rowCount == 5)
        let other = try self.cache(model)
        _ = try model.logits(Array(tokens[..<5]), other)
        let next = Array(tokens[5..<9])
        #expect(try model.logits(next, cache) == (try model.logits(next, other)))
        #expect(throws: ModelError.cancelled) { try model.randomTile(cancellation: cancellation) }
    }

    @Test func failedRunsLeaveTheCacheAsItWas() throws {
        let spoilt: Int32 = 270
        let model = try pair.spoiling(spoilt).load()
        let (cache, other) = (try cache(model), try cache(model))
        for each in [cache, other] { _ = try model.logits(Array(tokens[..<5]), each) }
        #expect(throws: ModelError.notFinite(place: "decoder layer 0")) {
            try model.logits([7, spoilt, 8], cache)
        }
        #expect(cache.rowCount == 5)
        #expect(try model.logits([7, 8], cache) == (try model.logits([7, 8], other)))
    }

    // MARK: Non-finite numbers

    @Test(arguments: [
        ("blk.0.attn_v.weight", "decoder layer 0"), ("blk.1.ffn_down.weight", "decoder layer 1"),
        ("blk.1.attn_norm.weight", "decoder layer 1"), ("output_norm.weight", "the output layer"),
        ("output.weight", "the output layer"),
    ])
    func damagedTextWeightsAreNamedByTheirLayer(tensor: String, place: String) throws {
        for damage in [Float.nan, .infinity] {
            let model = try pair.changed { changed in
                let shape = changed.text[tensor: tensor]?.shape ?? []
                var weights = changed.text.floats(tensor)
                weights[weights.count / 2] = damage
                changed.text.set(tensor, shape: shape, floats: weights)
            }.load()
            #expect(try modelError { try model.logits(someTokens) } == .notFinite(place: place))
        }
    }

    @Test(arguments: [
        ("v.position_embd.weight", "vision block 0"), ("v.blk.0.ln1.bias", "vision block 0"),
        ("v.blk.2.ffn_up.weight", "vision block 2"), ("mm.0.weight", "the projector"),
        ("mm.2.bias", "the projector"),
    ])
    func damagedVisionWeightsAreNamedByTheirBlock(tensor: String, place: String) throws {
        let model = try pair.changed { changed in
            let shape = changed.projector[tensor: tensor]?.shape ?? []
            var weights = changed.projector.floats(tensor)
            weights[weights.count / 2] = .nan
            changed.projector.set(tensor, shape: shape, floats: weights)
        }.load()
        let black = Picture(width: 1, height: 1, pixels: [0, 0, 0])
        let tiles = try model.pictureEncoder.tiles(of: black)
        let error = try modelError {
            _ = try model.visualTokens(of: tiles)
        }
        #expect(error == .notFinite(place: place))
    }

    @Test func aCacheThatNoSystemHasMemoryForIsRefused() throws {
        var tiny = TinyModel()
        (tiny.width, tiny.heads, tiny.keyValueHeads) = (1 << 14, 128, 128)
        let config = try DecoderConfig(tiny.textMetadata().metadata())
        #expect(throws: ModelError.cacheTooLarge(rows: 1 << 30, bytesPerRow: 1 << 17)) {
            try CachePagePool(config, rows: 1 << 30, format: .f16)
        }
    }
}
