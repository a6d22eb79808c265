// SPDX-License-Identifier: Apache-2.0
import KernelInterface
import Kernels
import ModelTestSupport
import TensorOps
import TestSupport
import Testing
import WorkerPool

@testable import Decoder
@testable import Weights

/// Pictures' rows that bring addends, in batches of several sequences.
@Suite struct PictureAddendTests {
    private static let picture = 5..<25
    private static let rowCount = 40

    /// The scores after rows of a sequence that has a picture, run in chunks, after another sequence or alone.
    ///
    /// - Parameter wantsLast: look at the last row of each chunk alone.
    private func scores(
        _ pair: TinyPair, rowsPerChunk: Int, threads: Int, beside: Bool = false,
        wantsLast: Bool = false
    ) throws -> [Int: [Float]] {
        let ops = TensorOps(
            kernels: try KernelTable.named(nil), pool: WorkerPool(threadCount: threads),
            activationMode: .pow2)
        let decoder = try pair.loadText(ops).decoder
        let width = decoder.config.pictureRowWidth
        let rows = Activations(gaussians("picture", Self.picture.count * width, 1), width: width)
        let pool = try CachePagePool(decoder.config, rows: 3 * Self.rowCount, format: .f16)
        let cache = try KeyValueCache(pool, rows: Self.rowCount)
        let batch = DecoderBatch(decoder)
        var scores: [Int: [Float]] = [:]
        for start in stride(from: 0, to: Self.rowCount, by: rowsPerChunk) {
            let chunk = start..<min(start + rowsPerChunk, Self.rowCount)
            let first = beside ? 7 : 0
            batch.restart(rows: first + chunk.count)
            if beside {
                let other = try KeyValueCache(pool, rows: first)
                batch.append(positions: (0..<first).map { Position($0) }[...], to: other)
                for row in 0..<2 { decoder.embed(270, into: batch.hidden.row(row)) }
                for row in 2..<first { batch.write(rows, row: row + 1, to: row) }
            }
            batch.append(positions: chunk.map { Position($0) }[...], to: cache)
            for (row, index) in zip(first..., chunk) where !Self.picture.contains(index) {
                decoder.embed(Int32(260 + index % 29), into: batch.hidden.row(row))
            }
            for index in chunk.clamped(to: Self.picture) {
                batch.write(
                    rows, row: index - Self.picture.lowerBound, to: first + index - start)
            }
            let wanted = wantsLast ? [batch.rowCount - 1] : Array(first..<batch.rowCount)
            batch.wanted = wantsLast || beside ? wanted : nil
            try decoder.run(batch, cancellation: Cancellation())
            let logits = decoder.logits(batch, rows: wanted)
            for (place, row) in wanted.enumerated() {
                scores[start + row - first] = Array(try logits.row(place))
            }
        }
        return scores
    }

    /// Two layers with addends of two: the last layer, whose rows are not all computed, has one too.
    @Test func scoresDoNotDependOnTheBatch() throws {
        var model = TinyModel(textFormat: .q4_0, projectorFormat: .f32)
        (model.architecture, model.addendLayers) = ("qwen3vl", 2)
        let pair = TinyPair(model)
        let expected = try scores(pair, rowsPerChunk: 40, threads: 1)
        #expect(expected.count == 40)
        func isEqual(_ other: [Int: [Float]]) -> Bool {
            !other.isEmpty && other.allSatisfy { $1 == expected[$0] }
        }
        for threads in 1...3 {
            for chunk in [1, 7, 40] {
                for beside in [false, true] {
                    try #expect(
                        isEqual(
                            scores(pair, rowsPerChunk: chunk, threads: threads, beside: beside)),
                        "\(threads) threads, \(chunk) rows at once, beside another: \(beside)")
                }
            }
        }
        try #expect(isEqual(scores(pair, rowsPerChunk: 7, threads: 2, wantsLast: true)))
        try #expect(
            isEqual(scores(pair, rowsPerChunk: 11, threads: 2, beside: true, wantsLast: true)))
    }

    @Test func aSpoiltPictureFailsAloneAndLeavesNothingBehind() throws {
        var model = TinyModel()
        (model.architecture, model.addendLayers) = ("qwen3vl", 2)
        let decoder = try TinyPair(model).loadText().decoder
        let width = decoder.config.pictureRowWidth
        let pool = try CachePagePool(decoder.config, rows: 128, format: .f32)
        let batch = DecoderBatch(decoder)
        func run(beside picture: Activations?) throws -> [Float] {
            let caches = try [KeyValueCache(pool, rows: 4), KeyValueCache(pool, rows: 4)]
            batch.restart(rows: picture == nil ? 4 : 8)
            if let picture {
                batch.append(positions: [0, 1, 2, 3], to: caches[0])
                for row in 0..<4 { batch.write(picture, row: row, to: row) }
            }
            let rows = batch.append(positions: [0, 1, 2, 3], to: caches[1])
            for row in rows { decoder.embed(270, into: batch.hidden.row(row)) }
            try decoder.run(batch, cancellation: Cancellation())
            #expect(batch.parts.last?.error == nil && caches[1].rowCount == 4)
            if picture != nil {
                #expect(caches[0].rowCount == (batch.parts[0].error == nil ? 4 : 0))
            }
            return Array(batch.hidden.array.suffix(4 * decoder.config.width))
        }
        let alone = try run(beside: nil)
        let sound = gaussians("picture", 4 * width, 1)
        #expect(try run(beside: Activations(sound, width: width)) == alone)
        #expect(batch.parts[0].error == nil)
        var spoilt = sound
        spoilt[2 * width + decoder.config.width + 3] = .nan
        #expect(try run(beside: Activations(spoilt, width: width)) == alone)
        #expect(batch.parts[0].error == .notFinite(place: "decoder layer 0"))
        // The batch's next run has no picture.
        #expect(try run(beside: nil) == alone)
    }
}
