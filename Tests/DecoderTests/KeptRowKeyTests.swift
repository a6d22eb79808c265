// SPDX-License-Identifier: Apache-2.0
import Families
import ModelTestSupport
import TestSupport
import Testing

@testable import Decoder
@testable import TensorOps
@testable import Weights

/// Rows that stay when others are left out have the same first-layer keys, at their original positions.
@Suite struct KeptRowKeyTests {
    /// The keys of the first layer, row after row: `[rows][heads · headWidth]`.
    private func firstKeys(
        _ model: LLaVAModel, _ rows: Activations, at positions: [Position], _ format: CacheFormat
    ) throws -> [[Float]] {
        let pool = try CachePagePool(model.decoder.config, rows: rows.rows, format: format)
        let cache = try KeyValueCache(pool, rows: rows.rows)
        _ = try model.decoder.logits(rows, at: positions, cache)
        let (pages, layout) = (cache.sequence(rows: 0..<0).pages, pool.layout)
        return withExtendedLifetime(cache) {
            (0..<rows.rows).map { row in
                (0..<layout.heads).flatMap { head in
                    let keys =
                        pages[row / CachePageLayout.tokens]
                        + layout.keys(layer: 0, head: head)
                    return (0..<layout.headWidth).map { column in
                        let index = column * CachePageLayout.tokens + row % CachePageLayout.tokens
                        return format == .f32
                            ? keys.assumingMemoryBound(to: Float.self)[index]
                            : Float(keys.assumingMemoryBound(to: UInt16.self)[index])
                    }
                }
            }
        }
    }

    @Test(arguments: ["llama", "qwen2", "phi3", "qwen3vl"], [CacheFormat.f32, .f16])
    func keysOfKeptRowsAreThoseOfTheUnprunedRun(
        architecture: String, format: CacheFormat
    ) throws {
        var tiny = TinyModel()
        tiny.architecture = architecture
        let model = try TinyPair(tiny).loadText()
        let width = model.decoder.config.width
        let rows = Activations(gaussians("rows", 60 * width, 1), width: width)
        let all = try firstKeys(model, rows, at: (0..<60).map { Position($0) }, format)
        let kept = [0, 1, 5, 6, 17, 30, 31, 32, 47, 58, 59]
        let original = try firstKeys(
            model, try model.ops.gather(kept, of: rows), at: kept.map { Position($0) }, format)
        #expect(original == kept.map { all[$0] })
        let compact = try firstKeys(
            model, try model.ops.gather(kept, of: rows), at: kept.indices.map { Position($0) },
            format)
        #expect(compact[..<2] == original[..<2] && compact[2...] != original[2...])
    }
}
