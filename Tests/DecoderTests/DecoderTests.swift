// SPDX-License-Identifier: Apache-2.0
import Foundation
import ModelTestSupport
import TensorOps
import TestSupport
import Testing

@testable import Decoder
@testable import Weights

/// Two files of the same decoder compute the same logits.
@Suite struct DecoderTests {
    private let pair = TinyPair()

    private func pair(_ architecture: String) -> TinyPair {
        var model = TinyModel()
        model.architecture = architecture
        return TinyPair(model)
    }

    private func logits(_ pair: TinyPair, context: Int? = nil) throws -> [Float] {
        try pair.load(context: context).logits(someTokens)
    }

    /// Whether two models agree, and a changed one does not.
    private func expectEqual(_ pair: TinyPair, _ twin: TinyPair, unlike other: TinyPair) throws {
        let expected = try logits(twin)
        #expect(relativeError(try logits(pair), expected) < roundingTolerance)
        #expect(relativeError(try logits(other), expected) > 1e-3)
    }

    // MARK: Tensors

    @Test func outputIsTheEmbeddingWhereTheFileHasNone() throws {
        let tied = pair.changed { $0.text[tensor: "output.weight"] = nil }
        let copied = pair.changed {
            $0.text.set(
                "output.weight", shape: [16, TinyVocabulary.pieces.count],
                floats: $0.text.floats("token_embd.weight"))
        }
        #expect(try logits(tied) == (try logits(copied)))
        #expect(try logits(tied) != (try logits(pair)))
    }

    @Test(arguments: ["llama", "qwen2"])
    func queriesKeysAndValuesMayBeFused(architecture: String) throws {
        let separate = pair(architecture)
        let fused = separate.changed { changed in
            for layer in 0..<2 {
                let names = ["q", "k", "v"].map { "blk.\(layer).attn_\($0)" }
                let weights = names.flatMap { changed.text.floats("\($0).weight") }
                let bias = names.flatMap { changed.text.floats("\($0).bias") }
                changed.text.set("blk.\(layer).attn_qkv.weight", shape: [16, 32], floats: weights)
                if !bias.isEmpty {
                    changed.text.set("blk.\(layer).attn_qkv.bias", shape: [32], floats: bias)
                }
                for name in names {
                    changed.text[tensor: "\(name).weight"] = nil
                    changed.text[tensor: "\(name).bias"] = nil
                }
            }
        }
        let error = relativeError(try logits(fused), try logits(separate))
        #expect(error < roundingTolerance)
    }

    /// Phi-3 fuses both pairs of matrices, and is qwen2 without biases otherwise.
    @Test func phi3FusesGateAndUp() throws {
        let fused = pair("phi3")
        let separate = fused.changed { changed in
            for (key, value) in changed.text.pairs where key.hasPrefix("phi3.") {
                changed.text[key.replacing("phi3.", with: "qwen2.")] = value
            }
            changed.text["general.architecture"] = .string("qwen2")
            for layer in 0..<2 {
                let gateAndUp = changed.text.floats("blk.\(layer).ffn_up.weight")
                changed.text.set(
                    "blk.\(layer).ffn_gate.weight", shape: [16, 24],
                    floats: Array(gateAndUp[..<(24 * 16)]))
                changed.text.set(
                    "blk.\(layer).ffn_up.weight", shape: [16, 24],
                    floats: Array(gateAndUp[(24 * 16)...]))
            }
        }
        #expect(relativeError(try logits(separate), try logits(fused)) < roundingTolerance)
    }

    @Test func qwen2NeedsItsBiases() throws {
        let unbiased = pair("qwen2").changed { $0.text[tensor: "blk.1.attn_k.bias"] = nil }
        #expect(try unbiased.refusal() == "text.gguf: tensor blk.1.attn_k.bias is missing")
    }

    @Test func biasesAreAddedWhereverTheyAre() throws {
        let biases = ["attn_q", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]
        let plain = try logits(pair)
        for name in biases {
            let count = name.hasPrefix("ffn_down") || name.hasPrefix("attn") ? 16 : 24
            func biased(_ bias: [Float]) throws -> [Float] {
                try logits(
                    pair.changed {
                        $0.text.set("blk.0.\(name).bias", shape: [count], floats: bias)
                    })
            }
            #expect(try biased(.init(repeating: 0, count: count)) == plain)
            #expect(relativeError(try biased(gaussians(name, count, 1)), plain) > 1e-3)
        }
    }

    // MARK: Attention

    @Test func sharedKeysAreLikeRepeatedOnes() throws {
        let repeated = pair.changed { changed in
            changed.text["llama.attention.head_count_kv"] = .uint32(4)
            for name in (0..<2).flatMap({ ["blk.\($0).attn_k", "blk.\($0).attn_v"] }) {
                let weights = changed.text.floats("\(name).weight")  // 2 heads of 4 rows of 16
                let (first, second) = (Array(weights[..<64]), Array(weights[64...]))
                changed.text.set(
                    "\(name).weight", shape: [16, 16], floats: first + first + second + second)
            }
        }
        let alternating = repeated.changed { changed in
            for name in (0..<2).flatMap({ ["blk.\($0).attn_k", "blk.\($0).attn_v"] }) {
                let weights = changed.text.floats("\(name).weight")
                let (first, second) = (Array(weights[..<64]), Array(weights[192...]))
                changed.text.set(
                    "\(name).weight", shape: [16, 16], floats: first + second + first + second)
            }
        }
        try expectEqual(pair, repeated, unlike: alternating)
    }

    @Test func aRowSeesNoLaterRow() throws {
        let model = try pair.load()
        let whole = try model.logits(someTokens)
        let vocabulary = model.decoder.vocabularySize
        for count in 1..<someTokens.count {
            let prefix = try model.logits(Array(someTokens[..<count]))
            let error = relativeError(prefix, Array(whole[..<(count * vocabulary)]))
            #expect(error < roundingTolerance)
        }
    }

    @Test func headsMayBeWiderThanTheirShareOfTheRow() throws {
        // 4 heads of 4 made 4 heads of 8: the new halves are zero, and the scale by √width differs.
        let wide = pair.changed { changed in
            changed.text["llama.attention.key_length"] = .uint32(8)
            changed.text["llama.attention.value_length"] = .uint32(8)
            for layer in 0..<2 {
                for (part, heads) in [("q", 4), ("k", 2), ("v", 2)] {
                    let name = "blk.\(layer).attn_\(part).weight"
                    let weights = changed.text.floats(name)
                    let scale: Float = part == "q" ? Float(2).squareRoot() : 1
                    let zeros = [Float](repeating: 0, count: 64)
                    let widened = (0..<heads).flatMap { head -> [Float] in
                        let rows = weights[head * 64..<head * 64 + 64]
                        return rows.map { $0 * scale } + zeros
                    }
                    changed.text.set(name, shape: [16, heads * 8], floats: widened)
                }
                let name = "blk.\(layer).attn_output.weight"
                let weights = changed.text.floats(name)
                let zeros = [Float](repeating: 0, count: 4)
                let widened = stride(from: 0, to: 256, by: 4).flatMap { head -> [Float] in
                    weights[head..<head + 4] + zeros
                }
                changed.text.set(name, shape: [32, 16], floats: widened)
            }
        }
        // Without rotation, which depends on the head's width, all agree.
        func unrotated(_ pair: TinyPair) throws -> [Float] {
            let positions = [Position](repeating: 0, count: someTokens.count)
            return try pair.load().logits(someTokens, at: positions)
        }
        #expect(
            relativeError(try unrotated(wide), try unrotated(pair)) < roundingTolerance)
    }

    // MARK: Files

    @Test(arguments: [
        "token_embd.weight", "output_norm.weight", "blk.0.attn_norm.weight",
        "blk.1.attn_q.weight", "blk.1.attn_k.weight", "blk.0.attn_v.weight",
        "blk.0.attn_output.weight", "blk.1.ffn_norm.weight", "blk.0.ffn_gate.weight",
        "blk.0.ffn_up.weight", "blk.1.ffn_down.weight",
    ])
    func everyTensorIsNeededInItsShape(name: String) throws {
        let missing = pair.changed { $0.text[tensor: name] = nil }
        #expect(try missing.refusal() == "text.gguf: tensor \(name) is missing")
        let shape = try #require(pair.text[tensor: name]).shape
        // Of other sizes, and of the right size in other dimensions.
        let others = [
            shape.map { $0 + 1 }, [shape[0], 1, 2], [1] + shape, shape.reversed(),
            [shape.reduce(1, *)],
        ]
        for other in others where other != shape {
            let wrong = pair.changed {
                $0.text.set(name, shape: other, floats: gaussians(name, other.reduce(1, *), 1))
            }
            let refusal = try wrong.refusal()
            #expect(refusal?.hasPrefix("text.gguf: tensor \(name) has shape \(other)") == true)
        }
        // Outer dimensions of 1 mean nothing, but matrices of unknown height need two.
        if name != "token_embd.weight" {
            let padded = pair.changed {
                $0.text[tensor: name]?.shape += [1, 1].prefix(4 - shape.count)
            }
            #expect(try padded.refusal() == nil)
        }
    }

    @Test func projectorMustMakeTheDecodersRows() throws {
        var wider = TinyModel()
        wider.width = 32
        let mixed = TinyPair(text: pair.text, projector: TinyPair(wider).projector)
        let refusal = try #require(try mixed.refusal())
        #expect(refusal.hasPrefix("mmproj.gguf and "))
        #expect(
            refusal.hasSuffix(
                "text.gguf do not belong together: the projector makes rows of 32 numbers, the text "
                    + "model takes 16"))
    }

    @Test func unknownTensorsAreToldButDoNotMatter() throws {
        let extended = pair.changed { changed in
            for index in 0..<5 {
                changed.text.set("blk.0.attn_rot_embd.\(index)", shape: [2], floats: [1, 2])
            }
            changed.projector.set("v.blk.0.attn_q_norm.weight", shape: [2], floats: [1, 2])
            changed.projector.set("t.blk.0.ln1.weight", shape: [2], floats: [1, 2])
        }
        let model = try extended.load()
        #expect(try model.logits(someTokens) == (try logits(pair)))
        let warnings = model.warnings.map { $0.replacing(/^.*\//, with: "") }
        try #require(warnings.count == 2)
        #expect(
            warnings[0]
                == "text.gguf: 5 unused tensors: blk.0.attn_rot_embd.0, blk.0.attn_rot_embd.1, "
                + "blk.0.attn_rot_embd.2, blk.0.attn_rot_embd.3, …")
        #expect(warnings[1].hasPrefix("mmproj.gguf: 1 unused tensor: t.blk.0"))
    }
}
