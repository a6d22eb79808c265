// SPDX-License-Identifier: Apache-2.0
import GGUF
import Kernels
import TensorOps
import TestSupport
import WorkerPool

@testable import Imaging
@testable import LLaVAModel

/// Operations on two threads for all tests of this target.
let testOps = TensorOps(kernels: .reference, pool: WorkerPool(threadCount: 2))

extension TinyPair {
    /// The model that the two files make.
    func load(
        _ ops: TensorOps = testOps, context: Int? = nil, visionPrecision: VisionPrecision = .float
    ) throws -> LLaVAModel {
        try withPaths { text, projector in
            try LLaVAModel(
                text: GGUFFile(path: text), projector: GGUFFile(path: projector), ops: ops,
                context: context, visionPrecision: visionPrecision)
        }
    }

    /// The message when the two files are refused, without the folder, or nil when they load.
    func refusal(context: Int? = nil) throws -> String? {
        try withPaths { text, projector in
            let textFile = try GGUFFile(path: text)
            let projectorFile = try GGUFFile(path: projector)
            do {
                _ = try LLaVAModel(
                    text: textFile, projector: projectorFile, ops: testOps, context: context)
                return nil
            } catch {
                let folder = text.dropLast("text.gguf".count)
                return "\(error)".replacing(folder, with: "")
            }
        }
    }

    /// The same pair with a non-finite number in a token's embedding.
    func spoiling(_ token: Int32) -> TinyPair {
        changed {
            var rows = $0.text.floats("token_embd.weight")
            rows[Int(token) * 16 + 3] = .infinity
            $0.text.set(
                "token_embd.weight", shape: [16, TinyVocabulary.pieces.count], floats: rows)
        }
    }

    /// The same pair after a change.
    func changed(_ change: (inout TinyPair) -> Void) -> TinyPair {
        var copy = self
        change(&copy)
        return copy
    }
}

extension TinyFile {
    /// The file's metadata, as the reader has it.
    func metadata() throws -> GGUFMetadata {
        let folder = try TemporaryFolder()
        return try GGUFFile(path: folder.write(image().bytes, to: "metadata.gguf")).metadata
    }
}

extension LLaVAModel {
    /// The features of one random tile.
    func features() throws -> [Float] {
        let side = vision.config.tileSide
        let pixels = gaussians("pixels", 3 * side * side, 1)
        return try vision.features(pixels[...], cancellation: Cancellation()).array
    }

    /// The rows that stand for a picture in a prompt.
    func visualTokens(of tiles: TileBatch) throws -> Activations {
        let patches = vision.config.patchCount
        let features = ops.activations(
            rows: tiles.count * patches, width: vision.config.featureWidth)
        for tile in 0..<tiles.count {
            let ofTile = try vision.features(tiles[tile], cancellation: Cancellation())
            features.copy(ofTile, toRow: tile * patches)
        }
        return pack(try project(features), layout(tiles.geometry).rows)
    }

    /// The projected rows of one random tile, not packed.
    func projected() throws -> [Float] {
        projector.project(Activations(try features(), width: vision.config.featureWidth)).array
    }

    /// The scores after each of the tokens, run in one batch.
    func logits(_ tokens: [Int32], at positions: [Int32]? = nil) throws -> [Float] {
        let cache = try KeyValueCache(
            CachePagePool(decoder.config, rows: tokens.count, format: .f32), rows: tokens.count)
        return try logits(tokens, at: positions, cache)
    }

    /// The scores after each of the tokens, which continue what is in the cache.
    func logits(
        _ tokens: [Int32], at positions: [Int32]? = nil, _ cache: KeyValueCache
    ) throws -> [Float] {
        let following = tokens.indices.map { Int32(cache.rowCount + $0) }
        return try decoder.logits(
            decoder.embed(tokens), at: positions ?? following, cache
        ).flatMap(\.self)
    }
}

extension Decoder {
    /// The scores after each of some rows, which continue what is in the cache.
    func logits(
        _ rows: Activations, at positions: [Int32], _ cache: KeyValueCache,
        cancellation: Cancellation = Cancellation()
    ) throws -> [[Float]] {
        let batch = DecoderBatch(self)
        batch.restart(rows: rows.rows)
        batch.append(positions: positions[...], to: cache)
        batch.hidden.row(0).update(from: rows.values, count: rows.rows * rows.width)
        try run(batch, cancellation: cancellation)
        let logits = logits(batch, rows: Array(0..<rows.rows))
        return try (0..<rows.rows).map { Array(try logits.row($0)) }
    }
}

/// Some tokens of the tiny vocabulary.
let someTokens: [Int32] = [1, 263, 270, 90, 281, 264]

/// Rounding of one float product after another through a tiny model.
let roundingTolerance: Float = 1e-5

/// The model's error that `body` ends in, or nil.
func modelError<Value>(_ body: () throws -> Value) throws -> ModelError? {
    do {
        _ = try body()
        return nil
    } catch let error as ModelError {
        return error
    }
}
