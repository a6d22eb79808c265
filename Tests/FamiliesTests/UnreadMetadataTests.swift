// SPDX-License-Identifier: Apache-2.0
import ModelTestSupport
import Pictures
import TensorOps
import TestSupport
import Testing

@testable import Families

/// Metadata that changes what a model computes is computed, or refused by name.
@Suite struct UnreadMetadataTests {
    private let pair = TinyPair()

    private func refusal(_ key: String, _ value: GGUFWriterValue) throws -> String? {
        try pair.changed { $0.text[key] = value }.refusal()
    }

    static let changing: [(key: String, value: GGUFWriterValue, shown: String, off: String)] = [
        ("attn_logit_softcapping", .float32(50), "50.0", "0.0"),
        ("final_logit_softcapping", .float32(30), "30.0", "0.0"),
        ("logit_scale", .float32(0.0625), "0.0625", "0.0, 1.0"),
        ("residual_scale", .float32(0.22), "0.22", "0.0, 1.0"),
        ("embedding_scale", .float32(12), "12.0", "0.0, 1.0"),
        ("attention.scale", .float32(0.25), "0.25", "0.0, 0.5"),
        ("attention.causal", .bool(false), "0.0", "1.0"),
        ("attention.max_alibi_bias", .float32(8), "8.0", "0.0"),
        ("attention.clamp_kqv", .float32(8), "8.0", "0.0"),
        ("use_parallel_residual", .bool(true), "1.0", "0.0"),
        ("nextn_predict_layers", .uint32(1), "1.0", "0.0"),
        ("embedding_length_out", .uint32(8), "8.0", "0.0, 16.0"),
        ("logit_scale", .string("half"), "of type str", "0.0, 1.0"),
        ("ssm.state_size", .uint32(16), "16.0", "0.0"),
    ]

    @Test(arguments: changing.indices)
    func whatChangesTheModelIsRefusedByName(index: Int) throws {
        let (key, value, shown, off) = Self.changing[index]
        #expect(
            try refusal("llama.\(key)", value)
                == "text.gguf: llama.\(key) is \(shown), which is not supported; supported: \(off)")
    }

    @Test func whatMeansOffIsTaken() throws {
        for (key, value) in [
            ("attn_logit_softcapping", .float32(0)), ("logit_scale", .float32(1)),
            ("residual_scale", .float32(0)), ("attention.scale", .float32(0.500_000_1)),
            ("attention.causal", .bool(true)), ("use_parallel_residual", .bool(false)),
            ("rope.dimension_sections", .int32s([0, 0, 0, 0])), ("expert_used_count", .uint32(2)),
            ("embedding_length_out", .uint32(16)), ("vocab_size", .uint32(9)),
            ("rope.scaling.finetuned", .bool(true)), ("tensor_data_layout", .string("Meta AI")),
        ] as [(String, GGUFWriterValue)] {
            let changed = pair.changed { $0.text["llama.\(key)"] = value }
            #expect(try changed.load().warnings.isEmpty, "\(key)")
        }
        let yarn = pair.changed {
            $0.text["llama.rope.scaling.type"] = .string("yarn")
            $0.text["llama.rope.scaling.factor"] = .float32(1)
        }
        #expect(try yarn.refusal() == nil)
    }

    @Test func unknownKeysAreReported() throws {
        let model = try pair.changed {
            $0.text["llama.brand_new"] = .uint32(1)
            $0.text["general.brand_new"] = .uint32(1)
            $0.projector["clip.vision.brand_new"] = .string("x")
        }.load()
        #expect(model.warnings.count == 2)
        #expect(
            model.warnings[0].hasSuffix("1 unknown metadata key, not considered: llama.brand_new"))
        #expect(
            model.warnings[1].hasSuffix(
                "1 unknown metadata key, not considered: clip.vision.brand_new"))
    }

    @Test func filesThatAreNoModelsAreNamed() throws {
        #expect(
            try refusal("general.type", .string("adapter"))
                == "text.gguf: general.type is adapter, which is not supported; supported: model, mmproj"
        )
        #expect(try refusal("general.type", .string("model")) == nil)
    }

    // MARK: Sliding windows

    private func windowed(_ window: UInt32) -> TinyPair {
        pair.changed { $0.text["llama.attention.sliding_window"] = .uint32(window) }
    }

    @Test func aWindowHidesEarlierTokens() throws {
        let tokens = someTokens
        let plain = try pair.load().logits(tokens)
        let model = try windowed(4).load()
        #expect(model.decoder.config.layers.map(\.mask) == [.window(4), .window(4)])
        let seen = try model.logits(tokens)
        let rows = tokens.count
        let width = plain.count / rows
        #expect(seen[..<(4 * width)] == plain[..<(4 * width)])
        for row in 4..<rows {
            #expect(
                seen[(row * width)..<((row + 1) * width)]
                    != plain[(row * width)..<((row + 1) * width)])
        }
        // With one layer a token sees nothing before its window, not even through other tokens.
        var tiny = TinyModel()
        tiny.layers = 1
        let shallow = try TinyPair(tiny).changed {
            $0.text["llama.attention.sliding_window"] = .uint32(2)
        }.load()
        let positions = (0..<rows).map { Position($0) }
        let whole = try shallow.logits(tokens)
        let end = try shallow.logits(
            Array(tokens[(rows - 2)...]), at: Array(positions[(rows - 2)...]))
        #expect(whole.suffix(width) == end.suffix(width))
    }

    @Test func aWindowOfTheWholeContextIsNone() throws {
        for window in [0, 512, 513, UInt32.max] {
            let model = try windowed(window).load()
            #expect(model.decoder.config.layers.allSatisfy { $0.mask == .causal })
            #expect(try model.logits(someTokens) == pair.load().logits(someTokens))
        }
        #expect(
            try pair.changed { $0.text["llama.attention.sliding_window"] = .int32(-1) }.refusal()
                == "text.gguf: llama.attention.sliding_window is -1, expected 0 or more")
    }

    @Test func layersWithoutTheWindowAreRefused() throws {
        let key = "llama.attention.sliding_window_pattern"
        let mixed = windowed(4).changed { $0.text[key] = .uint32(6) }
        #expect(
            try mixed.refusal()
                == "text.gguf: \(key) is 6.0, which is not supported; supported: 1.0")
        #expect(try windowed(512).changed { $0.text[key] = .uint32(6) }.refusal() == nil)
        #expect(
            try windowed(4).changed { $0.text["llama.rope.freq_base_swa"] = .float32(1e4) }
                .refusal()?.contains("llama.rope.freq_base_swa is 10000.0") == true)
    }

    // MARK: Vision

    @Test(
        arguments: [
            ("has_minicpmv_projector", .bool(true)), ("vision.spatial_merge_size", .uint32(2)),
            ("vision.projector.scale_factor", .uint32(4)), ("vision.window_size", .uint32(112)),
            ("vision.is_deepstack_layers", .array(of: 7, [.bool(false), .bool(true)])),
            ("vision.image_aspect_ratio", .string("highres")),
        ] as [(String, GGUFWriterValue)])
    func whatChangesTheTowerIsRefusedByName(key: String, value: GGUFWriterValue) throws {
        let refusal = try pair.changed { $0.projector["clip.\(key)"] = value }.refusal()
        #expect(refusal?.hasPrefix("mmproj.gguf: clip.\(key) is ") == true, "\(refusal ?? "taken")")
        #expect(refusal?.contains("which is not supported") == true)
    }

    @Test func anAspectRatioChoosesHowPicturesAreCut() throws {
        func base(_ ratio: String?) throws -> TileLayout? {
            let model = try pair.changed {
                $0.projector["clip.vision.image_aspect_ratio"] = ratio.map { .string($0) }
            }.load()
            let tiling = (try model.pictureEncoder as? TiledEncoder)?.tiling
            return (tiling as? LLaVATiles)?.layout
        }
        #expect(try base(nil) == .padToSquare && base("pad") == .padToSquare)
        #expect(try base("square") == .centerCrop)
        #expect(
            try pair.changed {
                $0.projector["clip.vision.image_aspect_ratio"] = .string("anyres")
            }.refusal()
                == "mmproj.gguf: clip.vision.image_grid_pinpoints is missing, expected resolutions "
                + "for anyres")
    }
}
