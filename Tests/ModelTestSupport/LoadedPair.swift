// SPDX-License-Identifier: Apache-2.0
import Decoder
import Families
import GGUF
import Imaging
import Kernels
import Pictures
import TensorOps
import TestSupport
import Weights
import WorkerPool

/// Operations on two threads for all tests of this target.
package let testOps = TensorOps(kernels: .reference, pool: WorkerPool(threadCount: 2))

extension TinyPair {
    /// The model that the two files make.
    package func load(
        _ ops: TensorOps = testOps, context: Int? = nil, visionPrecision: VisionPrecision = .float
    ) throws -> LLaVAModel {
        try withPaths { text, projector in
            try LLaVAModel(
                text: GGUFFile(path: text), projector: GGUFFile(path: projector), ops: ops,
                context: context, visionPrecision: visionPrecision)
        }
    }

    /// The model that reads text alone.
    package func loadText(_ ops: TensorOps = testOps) throws -> LLaVAModel {
        try withPaths { text, _ in
            try LLaVAModel(text: GGUFFile(path: text), projector: nil, ops: ops)
        }
    }

    /// The message when the two files are refused, without the folder, or nil when they load.
    ///
    /// - Parameter withoutPictures: whether the text model is loaded alone.
    package func refusal(
        context: Int? = nil, withoutPictures: Bool = false
    ) throws -> String? {
        try withPaths { text, projector in
            let textFile = try GGUFFile(path: text)
            let projectorFile = withoutPictures ? nil : try GGUFFile(path: projector)
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
    package func spoiling(_ token: Int32) -> TinyPair {
        changed {
            var rows = $0.text.floats("token_embd.weight")
            rows[Int(token) * 16 + 3] = .infinity
            $0.text.set(
                "token_embd.weight", shape: [16, TinyVocabulary.pieces.count], floats: rows)
        }
    }

    /// The same pair after a change.
    package func changed(_ change: (inout TinyPair) -> Void) -> TinyPair {
        var copy = self
        change(&copy)
        return copy
    }
}

extension TinyFile {
    /// The file's metadata, as the reader has it.
    package func metadata() throws -> GGUFMetadata {
        let folder = try TemporaryFolder()
        return try GGUFFile(path: folder.write(image().bytes, to: "metadata.gguf")).metadata
    }
}

extension LLaVAModel {
    /// One tile of the given pixels, encoded.
    package func encoded(
        _ pixels: [Float], cancellation: Cancellation = Cancellation()
    ) throws -> EncodedPicture {
        let black = Picture(width: 1, height: 1, pixels: [0, 0, 0])
        let tiles = try pictureEncoder.tiles(of: black)
        let buffer = try SampleBuffer<Float>(count: pixels.count, name: "a tile")
        _ = buffer.numbers.initialize(from: pixels)
        return try pictureEncoder.encoding(
            of: TileBatch(plan: tiles.plan, size: tiles.size, pixels: Samples(buffer)),
            needs: [.features], key: nil
        ).finish(cancellation)
    }

    /// One random tile, encoded.
    package func randomTile(cancellation: Cancellation = Cancellation()) throws -> EncodedPicture {
        let black = Picture(width: 1, height: 1, pixels: [0, 0, 0])
        let count = try pictureEncoder.tiles(of: black).pixels.count
        return try encoded(gaussians("pixels", count, 1), cancellation: cancellation)
    }

    /// The features of one random tile.
    package func features() throws -> [Float] { try randomTile().features?.array ?? [] }

    /// The projected rows of one random tile.
    package func projected() throws -> [Float] { try randomTile().embeddings.array }

    /// The rows that stand for a picture in a prompt.
    package func visualTokens(of tiles: TileBatch) throws -> Activations {
        let picture = try pictureEncoder.encoding(of: tiles, needs: [], key: nil)
            .finish(Cancellation())
        return picture.rows(Array(tiles.plan.rows.indices))
    }

    /// The scores after each of the tokens, run in one batch.
    package func logits(_ tokens: [Int32], at positions: [Position]? = nil) throws -> [Float] {
        let cache = try KeyValueCache(
            CachePagePool(decoder.config, rows: tokens.count, format: .f32), rows: tokens.count)
        return try logits(tokens, at: positions, cache)
    }

    /// The scores after each of the tokens, which continue what is in the cache.
    package func logits(
        _ tokens: [Int32], at positions: [Position]? = nil, _ cache: KeyValueCache
    ) throws -> [Float] {
        let following = tokens.indices.map { Position(cache.rowCount + $0) }
        return try decoder.logits(
            decoder.embed(tokens), at: positions ?? following, cache
        ).flatMap(\.self)
    }
}

extension Decoder {
    /// The scores after each of some rows, which continue what is in the cache.
    package func logits(
        _ rows: Activations, at positions: [Position], _ cache: KeyValueCache,
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
package let someTokens: [Int32] = [1, 263, 270, 90, 281, 264]

/// Rounding of one float product after another through a tiny model.
package let roundingTolerance: Float = 1e-5

/// The model's error that `body` ends in, or nil.
package func modelError<Value>(_ body: () throws -> Value) throws -> ModelError? {
    do {
        _ = try body()
        return nil
    } catch let error as ModelError {
        return error
    }
}
