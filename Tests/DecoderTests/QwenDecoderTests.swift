// SPDX-License-Identifier: Apache-2.0
import ModelTestSupport
import TensorOps
import TestSupport
import Testing

@testable import Decoder
@testable import Weights

/// Normalised heads, sections of the rotary embedding, and addends of a picture's rows.
@Suite struct QwenDecoderTests {
    private func tiny(_ architecture: String, addendLayers: Int = 0) -> TinyModel {
        var model = TinyModel()
        (model.architecture, model.addendLayers) = (architecture, addendLayers)
        (model.layers, model.storedHeadWidth) = (3, 16)
        return model
    }

    /// Text, a picture of two rows of three cells, and text.
    private let positions: [Position] =
        [0, 1]
        + (0..<6).map { Position(time: 2, row: 2 + $0 / 3, column: 2 + $0 % 3) }
        + [5, 6]

    private static let axes: [Character: Position.Axis] = ["t": .time, "r": .row, "c": .column]

    @Test(arguments: [
        ("qwen3", 0, "tttttttt"), ("qwen2vl", 0, "ttttrrcc"), ("qwen3vl", 0, "trctrctt"),
        ("qwen3vl", 2, "trctrctt"), ("qwen3vl", 3, "trctrctt"),
    ])
    func layersComputeWhatPlainLoopsDo(
        architecture: String, addendLayers: Int, axes: String
    ) throws {
        let model = tiny(architecture, addendLayers: addendLayers)
        let pair = TinyPair(model)
        let rowWidth = model.width * (1 + addendLayers)
        let picture = Activations(gaussians("picture", 6 * rowWidth, 1), width: rowWidth)
        let decoder = try pair.loadText().decoder
        let text = decoder.embed([265, 270, 261, 268])
        let batch = DecoderBatch(decoder)
        batch.restart(rows: positions.count)
        let pool = try CachePagePool(decoder.config, rows: positions.count, format: .f32)
        let cache = try KeyValueCache(pool, rows: positions.count)
        batch.append(positions: positions[...], to: cache)
        for (row, source) in [0: 0, 1: 1, 8: 2, 9: 3] {
            batch.hidden.row(row).update(from: text.row(source), count: model.width)
        }
        for row in 0..<6 { batch.write(picture, row: row, to: 2 + row) }
        try decoder.run(batch, cancellation: Cancellation())

        let plain = PlainDecoder(
            model: model, file: pair.text, headWidth: 16,
            axes: axes.compactMap { Self.axes[$0] })
        func numbers(_ rows: Activations, _ row: Int) -> [Double] {
            (0..<rows.width).map { Double(rows.row(row)[$0]) }
        }
        let rows =
            [0, 1].map { numbers(text, $0) } + (0..<6).map { numbers(picture, $0) }
            + [2, 3].map { numbers(text, $0) }
        let expected = plain.run(rows, at: positions).flatMap { $0.map { Float($0) } }
        #expect(relativeError(batch.hidden.array, expected) < roundingTolerance)
        let unturned = plain.run(rows, at: positions.indices.map { Position($0) })
        #expect(relativeError(unturned.flatMap { $0.map { Float($0) } }, expected) > 1e-3)
    }

    /// As transformers' `apply_interleaved_mrope` and `apply_multimodal_rotary_pos_emb` assign them, at published sizes.
    @Test func axesOfPublishedModels() throws {
        func axes(_ architecture: String, _ sections: [Int32]) throws -> [Position.Axis]? {
            var model = tiny(architecture)
            model.storedHeadWidth = 128
            var file = model.textMetadata()
            file["\(architecture).rope.dimension_sections"] = .int32s(sections)
            return try DecoderConfig(file.metadata()).layers[0].rotary.axes
        }
        var interleaved = [Position.Axis](repeating: .time, count: 64)
        for pair in stride(from: 1, to: 60, by: 3) { interleaved[pair] = .row }
        for pair in stride(from: 2, to: 60, by: 3) { interleaved[pair] = .column }
        #expect(try axes("qwen3vl", [24, 20, 20, 0]) == interleaved)
        let chunked = [(Position.Axis.time, 16), (.row, 24), (.column, 24)].flatMap {
            [Position.Axis](repeating: $0, count: $1)
        }
        #expect(try axes("qwen2vl", [16, 24, 24, 0]) == chunked)
        // More rows than every third pair leaves room for.
        #expect(try axes("qwen3vl", [0, 64, 0])?.count { $0 == .row } == 21)
    }

    /// Text is at the same place along all axes.
    @Test func textIsTheSameWithoutSections() throws {
        let logits = try TinyPair(tiny("qwen3vl", addendLayers: 2)).loadText().logits(someTokens)
        #expect(try TinyPair(tiny("qwen3")).loadText().logits(someTokens) == logits)
    }

    // MARK: Files

    @Test func headNormsAndBiasesAreNeeded() throws {
        for (architecture, part) in [
            ("qwen3", "attn_q_norm.weight"), ("qwen3vl", "attn_k_norm.weight"),
            ("qwen2vl", "attn_v.bias"),
        ] {
            let pair = TinyPair(tiny(architecture))
            #expect(try pair.refusal(withoutPictures: true) == nil)
            let name = "blk.1.\(part)"
            #expect(
                try pair.changed { $0.text[tensor: name] = nil }.refusal(withoutPictures: true)
                    == "text.gguf: tensor \(name) is missing")
        }
        let wide = TinyPair(tiny("qwen3")).changed {
            $0.text.set("blk.0.attn_q_norm.weight", shape: [64], floats: gaussians("q", 64, 1))
        }
        #expect(
            try wide.refusal()
                == "text.gguf: tensor blk.0.attn_q_norm.weight has shape [64], expected [16]")
    }

    @Test(arguments: ["qwen2vl", "qwen3vl"])
    func sectionsAreNeeded(architecture: String) throws {
        let key = "\(architecture).rope.dimension_sections"
        func refusal(_ value: GGUFWriterValue?) throws -> String? {
            try TinyPair(tiny(architecture)).changed { $0.text[key] = value }.refusal()
        }
        let expected = "expected three numbers of pairs, 8 together"
        #expect(try refusal(nil) == "text.gguf: \(key) is missing, \(expected)")
        for sections in [[], [0, 0, 0, 0], [4, 4], [4, 2, 1], [2, 2, 2, 2], [10, -1, -1]] {
            #expect(
                try refusal(.int32s(sections.map { Int32($0) }))
                    == "text.gguf: \(key) is \(sections), \(expected)")
        }
    }

    @Test func addendsAreOfTheFirstLayersOfQwen3VL() throws {
        let key = "n_deepstack_layers"
        let pair = TinyPair(tiny("qwen3vl"))
        func refusal(_ count: Int32) throws -> String? {
            try pair.changed { $0.text["qwen3vl.\(key)"] = .int32(count) }.refusal()
        }
        #expect(
            try pair.changed { $0.text["qwen3vl.\(key)"] = .int32(0) }.loadText().decoder.config
                .addendLayers == 0)
        for count in [-1, 4] as [Int32] {
            #expect(
                try refusal(count)
                    == "text.gguf: qwen3vl.\(key) is \(count), expected a number from 0 to 3")
        }
        let other = TinyPair(tiny("qwen3")).changed { $0.text["qwen3.\(key)"] = .int32(1) }
        #expect(
            try other.refusal()
                == "text.gguf: qwen3.\(key) is 1.0, which is not supported; supported: 0.0")
    }
}
