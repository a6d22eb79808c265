// SPDX-License-Identifier: Apache-2.0
import Imaging
import Pictures
import TestSupport
import Tokenization

@testable import Generation
@testable import Weights

extension LoadedModel {
    /// The model of a tiny pair.
    init(
        _ pair: TinyPair, context: Int? = nil, packing: PackingOptions = PackingOptions()
    ) throws {
        self = try pair.withPaths {
            try LoadedModel(text: $0, projector: $1, context: context, packing: packing)
        }
    }

    /// An empty sequence, its cache in single precision.
    func conversation() throws -> LoneConversation {
        try LoneConversation(self, cacheFormat: .f32)
    }

    /// Tiles of a random picture.
    func tiles(width: Int, height: Int, seed: UInt64 = 1) -> TileBatch {
        var random = SeededGenerator(seed: seed)
        let pixels = (0..<width * height * 3).map { _ in UInt8.random(in: 0...255, using: &random) }
        do {
            return try model.pictureEncoder.tiles(
                of: Picture(width: width, height: height, pixels: pixels))
        } catch {
            preconditionFailure("\(error)")
        }
    }
}

extension TinyPair {
    /// A model that has learnt a line by heart: each token is followed by the next one.
    ///
    /// Its layers add nothing, so a token's score depends on the token before it alone: the line's
    /// tokens, which must differ, are unit vectors, and each output row is its predecessor's.
    static func reciting(_ line: [TokenID]) -> TinyPair {
        var pair = TinyPair()
        let width = 16
        let vocabulary = TinyVocabulary.pieces.count
        precondition(line.count < width && Set(line).count == line.count)
        for layer in 0..<2 {
            for (part, inputs) in [("attn_output", 16), ("ffn_down", 24)] {
                pair.text.set(
                    "blk.\(layer).\(part).weight", shape: [inputs, width],
                    floats: .init(repeating: 0, count: inputs * width))
            }
        }
        var embedding = [Float](repeating: 0, count: vocabulary * width)
        var output = embedding
        for token in 0..<vocabulary { embedding[token * width + width - 1] = 1 }
        for (index, token) in line.enumerated() {
            embedding[Int(token) * width + width - 1] = 0
            embedding[Int(token) * width + index] = 1
            if index > 0 { output[Int(token) * width + index - 1] = 1 }
        }
        pair.text.set("token_embd.weight", shape: [width, vocabulary], floats: embedding)
        pair.text.set("output.weight", shape: [width, vocabulary], floats: output)
        return pair
    }

    /// The same pair with one number of a text tensor made NaN.
    func damaged(_ tensor: String, at index: Int) -> TinyPair {
        var copy = self
        var numbers = copy.text.floats(tensor)
        numbers[index] = .nan
        copy.text.set(tensor, shape: copy.text[tensor: tensor]?.shape ?? [], floats: numbers)
        return copy
    }
}

/// The tokens of some pieces of the tiny vocabulary.
func tokens(_ pieces: String...) -> [TokenID] { pieces.map(TinyVocabulary.token) }

extension BatchGenerator.Request {
    /// The tiles of its pictures.
    var tiles: [TileBatch] {
        pictures.compactMap { if case .tiles(let tiles, _) = $0 { tiles } else { nil } }
    }
}
