// SPDX-License-Identifier: Apache-2.0
import ModelTestSupport
import TensorOps
import TestSupport
import Testing

@testable import Decoder
@testable import Families
@testable import Weights

/// Batches of which only some rows are looked at in the end.
@Suite struct WantedRowsTests {
    private let model: LLaVAModel

    init() throws { model = try TinyPair().load() }

    /// The hidden states of some rows, the logits after them, and the caches' pages, of two sequences of 5 and 18 rows.
    private func run(
        _ rows: [Int], wanting wanted: [Int]?
    ) throws -> (hidden: [[Float]], logits: [[Float]], pages: [[UInt8]]) {
        let tokens = (0..<23).map { Int32(260 + $0 * 5 % 29) }
        let batch = DecoderBatch(model.decoder)
        // An earlier, longer run leaves its numbers in the workspace.
        for range in [0..<23, 0..<5] {
            batch.restart(rows: range.count)
            let cache = try newCache(range.count)
            batch.append(positions: range.map { Position($0) }[...], to: cache)
            for row in range { model.decoder.embed(tokens[22 - row], into: batch.hidden.row(row)) }
            try model.decoder.run(batch, cancellation: Cancellation())
        }
        let caches = try [newCache(5), newCache(18)]
        batch.restart(rows: 23)
        batch.append(positions: (0..<5).map { Position($0) }[...], to: caches[0])
        batch.append(positions: (0..<18).map { Position($0) }[...], to: caches[1])
        for (row, token) in tokens.enumerated() {
            model.decoder.embed(token, into: batch.hidden.row(row))
        }
        batch.wanted = wanted
        try model.decoder.run(batch, cancellation: Cancellation())
        let hidden = rows.map { row in
            Array(UnsafeBufferPointer(start: batch.hidden.row(row), count: batch.hidden.width))
        }
        let pages = caches.flatMap { $0.contents.map { Array($0) } }
        guard !rows.isEmpty else { return (hidden, [], pages) }
        let logits = model.decoder.logits(batch, rows: rows)
        return (hidden, try rows.indices.map { Array(try logits.row($0)) }, pages)
    }

    private func newCache(_ rows: Int) throws -> KeyValueCache {
        try KeyValueCache(
            CachePagePool(model.decoder.config, rows: rows, format: .f32), rows: rows)
    }

    @Test(arguments: [[], [4], [22], [0], [4, 22], [3, 4, 5, 20], Array(0..<23)])
    func wantedRowsAndCachesAreTheSameBits(rows: [Int]) throws {
        let all = try run(rows, wanting: nil)
        let some = try run(rows, wanting: rows)
        #expect(some.hidden == all.hidden)
        #expect(some.logits == all.logits)
        #expect(some.pages == all.pages)
    }

    /// A sequence that is spoilt fails alone, whether or not its rows are wanted.
    @Test(arguments: [nil, [4, 22], [22]] as [[Int]?])
    func aSpoiltSequenceFailsAlone(wanted: [Int]?) throws {
        let model = try TinyPair().spoiling(270).load()
        let batch = DecoderBatch(model.decoder)
        batch.restart(rows: 23)
        let caches = try [newCache(5), newCache(18)]
        batch.append(positions: (0..<5).map { Position($0) }[...], to: caches[0])
        batch.append(positions: (0..<18).map { Position($0) }[...], to: caches[1])
        for row in 0..<23 { model.decoder.embed(row == 2 ? 270 : 265, into: batch.hidden.row(row)) }
        batch.wanted = wanted
        try model.decoder.run(batch, cancellation: Cancellation())
        #expect(batch.parts[0].error != nil && batch.parts[1].error == nil)
        #expect(caches[0].rowCount == 0 && caches[1].rowCount == 18)
    }
}
