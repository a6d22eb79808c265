// SPDX-License-Identifier: Apache-2.0
import GGUF
import ModelTestSupport
import TestSupport
import Testing

@testable import Decoder
@testable import Weights

/// Which text models are accepted, and the messages about the others.
@Suite struct DecoderConfigTests {
    private let pair = TinyPair()

    /// The message after one value of the text model is replaced, or removed by nil.
    private func refusal(_ key: String, _ value: GGUFWriterValue?) throws -> String? {
        try pair.changed { $0.text[key] = value }.refusal()
    }

    @Test func readsTheShape() throws {
        let config = try pair.load().decoder.config
        #expect(config.architecture == .llama && config.width == 16 && config.layers.count == 2)
        #expect(config.attention.heads == 4 && config.attention.keyValueHeads == 2)
        #expect(config.attention.headWidth == 4 && config.layers[0].rotary.rotatedWidth == 4)
        #expect(config.layers[0].rotary.base == 10_000 && config.layers[0].rotary.divisor == 1)
        #expect(
            config.layers[0].rotary.magnitude == 1
                && config.layers[0].rotary.originalContextLength == 512)
    }

    @Test func keyValueHeadsDefaultToHeads() throws {
        var model = TinyModel()
        model.keyValueHeads = 4
        let plain = TinyPair(model).changed { $0.text["llama.attention.head_count_kv"] = nil }
        #expect(try plain.load().decoder.config.attention.keyValueHeads == 4)
    }

    @Test(arguments: ["mamba", "gemma2", "mistral3", "Llama", ""])
    func otherArchitecturesAreRefusedByName(name: String) throws {
        #expect(
            try refusal("general.architecture", .string(name))
                == "text.gguf: general.architecture is \(name), which is not supported; supported: "
                + "llama, qwen2, qwen2vl, qwen3, qwen3vl, phi3")
    }

    @Test func missingArchitectureIsNamed() throws {
        #expect(
            try refusal("general.architecture", nil)?.contains("architecture is missing") == true)
    }

    @Test func exchangedFilesAreRefused() throws {
        #expect(
            try TinyPair(text: pair.projector, projector: pair.text).refusal()
                == "the two files are exchanged: text.gguf is a vision tower and projector, the mmproj "
                + "file, and mmproj.gguf a text model")
        #expect(
            try TinyPair(text: pair.text, projector: pair.text).refusal()
                == "mmproj.gguf: is a text model, expected a vision tower and projector, the mmproj "
                + "file")
        #expect(
            try TinyPair(text: pair.projector, projector: pair.projector).refusal()
                == "text.gguf: is a vision tower and projector, the mmproj file, expected a text model"
        )
    }

    @Test func mixturesOfExpertsAreRefused() throws {
        #expect(
            try refusal("llama.expert_count", .uint32(8))
                == "text.gguf: llama.expert_count is 8, which is not supported; supported: 0")
        #expect(try refusal("llama.expert_count", .uint32(0)) == nil)
    }

    @Test func yarnIsRefused() throws {
        #expect(
            try refusal("llama.rope.scaling.type", .string("yarn"))
                == "text.gguf: llama.rope.scaling.type is yarn, which is not supported; supported: "
                + "none, linear, longrope")
    }

    @Test(arguments: [
        "context_length", "embedding_length", "block_count", "feed_forward_length",
        "attention.head_count",
    ])
    func everyCountIsNeededAndBounded(key: String) throws {
        let prefix = "text.gguf: llama.\(key) is"
        #expect(try refusal("llama.\(key)", nil)?.hasPrefix("\(prefix) missing") == true)
        for value in [0, UInt32.max] {
            let refusal = try refusal("llama.\(key)", .uint32(value))
            #expect(refusal?.hasPrefix("\(prefix) \(value), expected a number") == true)
        }
        let negative = try refusal("llama.\(key)", .int32(-1))
        #expect(negative?.hasPrefix("\(prefix) -1, expected a number") == true)
        #expect(
            try refusal("llama.\(key)", .float32(4))
                == "text.gguf: metadata 'llama.\(key)' is f32, expected an integer")
    }

    @Test func headsMustDivide() throws {
        #expect(
            try refusal("llama.attention.head_count", .uint32(6))
                == "text.gguf: llama.attention.head_count is 6, expected a divisor of 16")
        #expect(
            try refusal("llama.attention.head_count_kv", .uint32(3))
                == "text.gguf: llama.attention.head_count_kv is 3, expected a divisor of 4")
        #expect(
            try refusal("llama.attention.head_count_kv", .uint32(5))
                == "text.gguf: llama.attention.head_count_kv is 5, expected a number from 1 to 4")
    }

    @Test func headWidthsMustBeEvenAndEqual() throws {
        let refusals = try [("key", 3), ("key", 5000), ("value", 6)].map { name, width in
            try refusal("llama.attention.\(name)_length", .uint32(UInt32(width)))
        }
        #expect(
            refusals[0]
                == "text.gguf: llama.attention.key_length and value_length is 3 and 3, which is not "
                + "supported; supported: equal even widths")
        #expect(refusals[1]?.contains("key_length is 5000, expected a number from 1") == true)
        #expect(refusals[2]?.contains("4 and 6") == true)
        let wide = pair.changed {
            $0.text["llama.attention.head_count"] = .uint32(1024)
            $0.text["llama.attention.key_length"] = .uint32(4096)
        }
        #expect(
            try wide.refusal()
                == "text.gguf: llama.attention.key_length is 4096, expected at most 65536 for 1024 "
                + "heads")
    }

    @Test func rotatedWidthIsTheHeadsForLlama() throws {
        #expect(try refusal("llama.rope.dimension_count", .uint32(4)) == nil)
        #expect(
            try refusal("llama.rope.dimension_count", .uint32(2))
                == "text.gguf: llama.rope.dimension_count is 2, expected the head's width, 4")
        #expect(
            try refusal("llama.rope.dimension_count", .uint32(3))
                == "text.gguf: llama.rope.dimension_count is 3, expected an even number")
        #expect(
            try refusal("llama.rope.dimension_count", .uint32(6))
                == "text.gguf: llama.rope.dimension_count is 6, expected a number from 1 to 4")
    }

    @Test(arguments: ["rope.freq_base", "rope.scaling.attn_factor"])
    func rotaryNumbersMustBePositive(key: String) throws {
        for value in [0, -1, Float.nan, .infinity] {
            #expect(
                try refusal("llama.\(key)", .float32(value))
                    == "text.gguf: llama.\(key) is \(value), expected a positive number")
        }
    }

    @Test func scalingFactorMustBeANumber() throws {
        for value in [-1, Float.nan, .infinity] {
            #expect(
                try refusal("llama.rope.scaling.factor", .float32(value))
                    == "text.gguf: llama.rope.scaling.factor is \(value), expected 0 or more")
        }
    }

    @Test func epsilonIsNeeded() throws {
        #expect(
            try refusal("llama.attention.layer_norm_rms_epsilon", nil)
                == "text.gguf: llama.attention.layer_norm_rms_epsilon is missing, expected a "
                + "positive number")
    }

    // MARK: Context

    @Test func contextIsTheModelsUnlessTheUserWantsLess() throws {
        #expect(try pair.load().context == 512)
        #expect(try pair.load(context: 100).context == 100)
        #expect(try pair.load(context: 512).context == 512)
        var long = TinyModel()
        long.contextLength = 1 << 20
        #expect(try TinyPair(long).load().context == 4096)
        #expect(try TinyPair(long).load(context: 1 << 20).context == 1 << 20)
    }

    @Test(arguments: [0, -1, 513, .max, .min])
    func otherContextsAreRefused(context: Int) throws {
        #expect(
            try pair.refusal(context: context)
                == "text.gguf: the context has \(context) rows, expected 1 to 512, the model's "
                + "context length")
    }
}
