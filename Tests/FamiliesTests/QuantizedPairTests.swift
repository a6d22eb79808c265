// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import GGUF
import ModelTestSupport
import TestSupport
import Testing

@testable import Families

/// A quantised model computes what its exactly decoded F32 twin does.
@Suite struct QuantizedPairTests {
    @Test(arguments: BlockFormat.allCases)
    func textMatricesOfEveryFormat(format: BlockFormat) throws {
        let pair = TinyPair(TinyModel(textFormat: format, projectorFormat: .f32))
        #expect(pair.text[tensor: "blk.1.ffn_down.weight"]?.type == format.rawValue)
        let twin = pair.changed { $0.text = $0.text.decoded() }
        let logits = try pair.load().logits(someTokens)
        #expect(logits.count == someTokens.count * TinyVocabulary.pieces.count)
        #expect(Set(logits).count > logits.count / 2)
        // The same products of the same decoded numbers, so nothing is rounded differently.
        #expect(logits == (try twin.load().logits(someTokens)))
    }

    @Test(arguments: ["llama", "qwen2", "phi3", "qwen3vl"], [BlockFormat.q4_0, .q6_K])
    func fusedAndBiasedMatrices(architecture: String, format: BlockFormat) throws {
        var model = TinyModel(textFormat: format, projectorFormat: .f32)
        model.architecture = architecture
        let pair = TinyPair(model)
        let twin = pair.changed { $0.text = $0.text.decoded() }
        #expect(try pair.loadText().logits(someTokens) == (try twin.loadText().logits(someTokens)))
    }

    @Test(arguments: BlockFormat.allCases)
    func projectorMatricesOfEveryFormat(format: BlockFormat) throws {
        let pair = TinyPair(TinyModel(textFormat: .f32, projectorFormat: format))
        #expect(pair.projector[tensor: "v.blk.1.ffn_down.weight"]?.type == format.rawValue)
        #expect(pair.projector[tensor: "mm.2.weight"]?.type == format.rawValue)
        let twin = pair.changed { $0.projector = $0.projector.decoded() }
        let projected = try pair.load().projected()
        #expect(Set(projected).count > projected.count / 2)
        #expect(projected == (try twin.load().projected()))
    }

    /// One matrix of each format in a file, as mixtures have them.
    @Test func manyFormatsInOneFile() throws {
        var pair = TinyPair(TinyModel(textFormat: .f32, projectorFormat: .f32))
        let matrices = pair.text.tensors.filter { $0.name.hasPrefix("blk.") && $0.shape.count == 2 }
        let formats = BlockFormat.allCases.filter { $0.blockLength > 1 }
        for (index, matrix) in matrices.enumerated() {
            let format = formats[2 * index % formats.count]
            let other = TinyModel(textFormat: format, projectorFormat: .f32).text()
            pair.text[tensor: matrix.name] = other[tensor: matrix.name]
        }
        #expect(Set(pair.text.tensors.map(\.type)).count > 10)
        let twin = pair.changed { $0.text = $0.text.decoded() }
        #expect(try pair.load().logits(someTokens) == (try twin.load().logits(someTokens)))
    }

    @Test(arguments: [("llama", "attn_q"), ("llama", "ffn_down"), ("phi3", "attn_qkv")])
    func aScaleBesideAMatrixMultipliesItsProducts(architecture: String, part: String) throws {
        var model = TinyModel(textFormat: .nvfp4, projectorFormat: .f32)
        model.architecture = architecture
        let pair = TinyPair(model)
        let scaled = pair.changed { $0.text.set("blk.1.\(part).scale", shape: [1], floats: [0.25]) }
        // A power of two changes no rounding.
        let twin = pair.changed {
            $0.text = $0.text.decoded()
            let name = "blk.1.\(part).weight"
            guard let matrix = $0.text[tensor: name] else { return }
            $0.text.set(name, shape: matrix.shape, floats: matrix.floats.map { 0.25 * $0 })
        }
        let logits = try scaled.load().logits(someTokens)
        #expect(logits == (try twin.load().logits(someTokens)))
        #expect(logits != (try pair.load().logits(someTokens)))
    }

    /// The decoded twin of this file is the one that the reader makes.
    @Test func readerDecodesAsTheTwinDoes() throws {
        let pair = TinyPair(TinyModel(textFormat: .q5_K, projectorFormat: .f32))
        try pair.withPaths { text, _ in
            let stored = try #require(GGUFFile(path: text).tensor("output.weight"))
            #expect(stored.floats() == pair.text.floats("output.weight"))
        }
    }
}
