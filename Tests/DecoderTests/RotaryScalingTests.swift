// SPDX-License-Identifier: Apache-2.0
import Foundation
import ModelTestSupport
import TensorOps
import TestSupport
import Testing

@testable import Decoder
@testable import Weights

/// Changes of the rotary embedding's frequencies, compared with equal changes of positions.
@Suite struct RotaryScalingTests {
    private let positions: [Position] = [0, 2, 4, 6, 8, 10]

    private func pair(_ architecture: String = "llama") -> TinyPair {
        var model = TinyModel()
        model.architecture = architecture
        return TinyPair(model)
    }

    private func logits(
        _ pair: TinyPair, at positions: [Position]? = nil, context: Int? = nil
    ) throws -> [Float] {
        try pair.load(context: context).logits(someTokens, at: positions)
    }

    @Test(arguments: ["llama", "qwen2"])
    func linearScalingDividesPositions(architecture: String) throws {
        let unscaled = pair(architecture)
        let expected = try logits(unscaled)
        #expect(try logits(unscaled, at: positions) != expected)
        func scaled(_ key: String, type: String?) throws -> [Float] {
            try logits(
                unscaled.changed {
                    $0.text["\(architecture).\(key)"] = .float32(2)
                    $0.text["\(architecture).rope.scaling.type"] = type.map { .string($0) }
                }, at: positions)
        }
        // Halving a frequency and doubling a position are exact.
        #expect(try scaled("rope.scaling.factor", type: "linear") == expected)
        #expect(try scaled("rope.scaling.factor", type: nil) == expected)
        #expect(try scaled("rope.scale_linear", type: nil) == expected)
        #expect(try scaled("rope.scaling.factor", type: "none") != expected)
    }

    @Test func factorsOf0And1MeanNone() throws {
        let expected = try logits(pair())
        for factor in [0, 1] as [Float] {
            let changed = pair().changed { $0.text["llama.rope.scaling.factor"] = .float32(factor) }
            #expect(try logits(changed) == expected)
        }
    }

    /// A head of four numbers has two pairs.
    @Test func sectionsTurnPairsByTheirAxes() throws {
        func sectioned(_ sections: [Int32]) -> TinyPair {
            pair("qwen2").changed { $0.text["qwen2.rope.dimension_sections"] = .int32s(sections) }
        }
        let text = pair("qwen2")
        let expected = try logits(text, at: positions)
        // Text is at the same place along all axes.
        for sections in [[1, 1, 0, 0], [0, 0, 2], [0, 0, 0, 0]] as [[Int32]] {
            #expect(try logits(sectioned(sections), at: positions) == expected)
        }
        let elsewhere = positions.map { Position(time: 7 * $0.time, row: 5, column: $0.column) }
        #expect(try logits(sectioned([0, 0, 2, 0]), at: elsewhere) == expected)
        #expect(try logits(sectioned([1, 0, 1, 0]), at: elsewhere) != expected)
        for sections in [[1, 1], [1, 1, 1], [3, -1, 0], [1, 0, 0, 1]] as [[Int32]] {
            let refusal = try #require(try sectioned(sections).refusal())
            #expect(refusal.contains("rope.dimension_sections"), "\(refusal)")
        }
    }

    @Test func storedFactorsDivideFrequenciesOnTopOfTheScaling() throws {
        let halved = pair().changed {
            $0.text.set("rope_freqs.weight", shape: [2], floats: [2, 2])
        }
        #expect(try logits(halved, at: positions) == (try logits(pair())))
        #expect(try halved.load().warnings.isEmpty)
        let quartered = halved.changed { $0.text["llama.rope.scaling.factor"] = .float32(2) }
        #expect(
            try logits(quartered, at: positions.map { Position(2 * $0.time) })
                == (try logits(pair())))
    }

    /// Factors that make the frequencies of one base those of another: each pair has its own.
    @Test func everyPairHasItsFactor() throws {
        let based = pair().changed { $0.text["llama.rope.freq_base"] = .float32(100) }
        let factored = pair().changed {
            $0.text.set("rope_freqs.weight", shape: [2], floats: [1, Float(0.1)])  // √(100/10000)
        }
        let expected = try logits(based)
        #expect(relativeError(try logits(factored), expected) < roundingTolerance)
        #expect(relativeError(try logits(pair()), expected) > 1e-4)
    }

    @Test func malformedFactorsAreRefused() throws {
        func refusal(_ factors: [Float]) throws -> String? {
            try pair().changed {
                $0.text.set("rope_freqs.weight", shape: [factors.count], floats: factors)
            }.refusal()
        }
        #expect(
            try refusal([1, 1, 1])
                == "text.gguf: tensor rope_freqs.weight has shape [3], expected [2]")
        for factor in [0, Float.nan, .infinity] {
            #expect(
                try refusal([1, factor])
                    == "text.gguf: rope_freqs.weight is [1.0, \(factor)], expected finite divisors")
        }
    }

    // MARK: Longrope

    /// Published Phi-3 128k files store the factors and the first context, and no scaling type.
    private func longrope(type: String?) -> TinyPair {
        pair("phi3").changed {
            $0.text["phi3.rope.scaling.type"] = type.map { .string($0) }
            $0.text["phi3.rope.scaling.original_context_length"] = .uint32(100)
            $0.text.set("rope_factors_long.weight", shape: [2], floats: [2, 2])
            $0.text.set("rope_factors_short.weight", shape: [2], floats: [1, 1])
        }
    }

    @Test(arguments: [nil, "longrope"])
    func contextChoosesBetweenShortAndLongFactors(type: String?) throws {
        let expected = try logits(pair("phi3"))
        let scaled = longrope(type: type)
        #expect(try logits(scaled, context: 100) == expected)
        #expect(try logits(scaled, at: positions, context: 101) == expected)
        #expect(try logits(scaled, at: positions) == expected)
        #expect(try scaled.load().warnings.isEmpty)
    }

    @Test func firstContextDefaultsToTheWholeOne() throws {
        let scaled = longrope(type: "longrope").changed {
            $0.text["phi3.rope.scaling.original_context_length"] = nil
        }
        #expect(try logits(scaled) == (try logits(pair("phi3"))))
    }

    @Test func attentionFactorScalesQueriesAndKeys() throws {
        let magnified = pair().changed { $0.text["llama.rope.scaling.attn_factor"] = .float32(2) }
        let doubled = pair().changed { changed in
            for name in (0..<2).flatMap({ ["blk.\($0).attn_q.weight", "blk.\($0).attn_k.weight"] })
            {
                let shape = changed.text[tensor: name]?.shape ?? []
                changed.text.set(
                    name, shape: shape, floats: changed.text.floats(name).map { 2 * $0 })
            }
        }
        #expect(try logits(magnified) == (try logits(doubled)))
    }

    // MARK: Pairs

    /// Rotating half of a head's numbers equals rotating all of them, half by zero, in another
    /// order.
    @Test func onlyTheRotatedWidthTurns() throws {
        let partial = pair("phi3").changed {
            $0.text["phi3.rope.dimension_count"] = .uint32(2)
        }
        let ordered = pair("phi3").changed { changed in
            // Pairs (0, 2) and (1, 3) instead of (0, 1): rows 0, 2, 1, 3 of each query and key head.
            for layer in 0..<2 {
                let name = "blk.\(layer).attn_qkv.weight"
                let weights = changed.text.floats(name)
                let rows = (0..<32).flatMap { row in
                    let source = row < 24 ? row / 4 * 4 + [0, 2, 1, 3][row % 4] : row
                    return weights[source * 16..<source * 16 + 16]
                }
                changed.text.set(name, shape: [16, 32], floats: rows)
            }
            changed.text.set("rope_freqs.weight", shape: [2], floats: [1, 1e30])
        }
        let expected = try logits(ordered)
        #expect(relativeError(try logits(partial), expected) < roundingTolerance)
        #expect(relativeError(try logits(pair("phi3")), expected) > 1e-4)
    }

    /// `llama` files store query and key rows permuted, so that neighbours form a pair.
    @Test func llamaPairsNeighboursAndOthersHalves() throws {
        let halves = pair("qwen2").changed { changed in
            for name in changed.text.tensors.map(\.name) where name.hasSuffix(".bias") {
                let zeros = [Float](repeating: 0, count: changed.text.floats(name).count)
                changed.text.set(name, shape: [zeros.count], floats: zeros)
            }
        }
        let neighbours = pair("llama").changed { changed in
            for name in (0..<2).flatMap({ ["blk.\($0).attn_q.weight", "blk.\($0).attn_k.weight"] })
            {
                let weights = changed.text.floats(name)
                let outputs = weights.count / 16
                let rows = (0..<outputs).flatMap { row in
                    let source = row / 4 * 4 + [0, 2, 1, 3][row % 4]
                    return weights[source * 16..<source * 16 + 16]
                }
                changed.text.set(name, shape: [16, outputs], floats: rows)
            }
        }
        let expected = try logits(halves)
        #expect(relativeError(try logits(neighbours), expected) < roundingTolerance)
        #expect(relativeError(try logits(pair("llama")), expected) > 1e-4)
    }
}
