// SPDX-License-Identifier: Apache-2.0
import Families
import Imaging
import ModelTestSupport
import TestSupport
import Testing

@testable import Pictures
@testable import Weights

/// Differences between published mmproj files.
@Suite struct VisionConfigTests {
    private let pair = TinyPair()

    /// The pair after one value of `clip.…` is replaced, or removed by nil.
    private func with(_ key: String, _ value: GGUFWriterValue?) -> TinyPair {
        pair.changed { $0.projector["clip.\(key)"] = value }
    }

    private func config(_ model: LLaVAModel) throws -> VisionConfig {
        try #require(model.pictureEncoder as? TiledEncoder).tower.config
    }

    private func features(_ changed: TinyPair) throws -> [Float] { try changed.load().features() }

    @Test func readsTheShape() throws {
        let model = try pair.load()
        let config = try self.config(model)
        #expect(config.tileSide == 28 && config.patchSide == 14 && config.patchCount == 4)
        #expect(config.width == 16 && config.feedForwardWidth == 24 && config.attention.heads == 2)
        #expect(config.featureLayers == [3] && config.blockCount == 3)
        #expect(config.activation == .quickGELU && config.epsilon == 1e-5)
        #expect(config.hasClassToken && config.hasPreNorm && !config.hasPostNorm)
        #expect(model.warnings.isEmpty)
    }

    @Test func feedForwardLayersAreToldByShapeNotByName() throws {
        let unswapped = pair.changed {
            $0.projector.rename { name in
                name.contains("ffn_down")
                    ? name.replacing("ffn_down", with: "ffn_up")
                    : name.replacing("ffn_up", with: "ffn_down")
            }
        }
        #expect(unswapped.projector[tensor: "v.blk.0.ffn_up.weight"]?.shape == [16, 24])
        #expect(try features(unswapped) == (try features(pair)))
    }

    @Test(arguments: [(1, 1), (5, 5), (22, 22), (23, 23), (24, 23), (25, 25)])
    func runsEveryStoredBlockButCLIPsLast(stored: Int, run: Int) throws {
        var model = TinyModel()
        (model.visionWidth, model.visionFeedForwardWidth, model.visionBlocks) = (4, 4, stored)
        // Damage shows which blocks are run.
        for block in [0, run - 1, run] where block < stored {
            let damaged = TinyPair(model).changed {
                $0.projector.set(
                    "v.blk.\(block).attn_out.bias", shape: [4], floats: [0, .nan, 0, 0])
            }
            let expected = block < run ? ModelError.notFinite(place: "vision block \(block)") : nil
            #expect(try modelError { try features(damaged) } == expected)
        }
    }

    @Test func blockCountMayBeOneMoreThanStored() throws {
        #expect(try features(with("vision.block_count", .uint32(4))) == (try features(pair)))
        #expect(
            try with("vision.block_count", .uint32(5)).refusal()
                == "mmproj.gguf: clip.vision.block_count is 5, expected at most the 3 stored blocks "
                + "and one")
        for count in [0, 513] as [UInt32] {
            #expect(
                try with("vision.block_count", .uint32(count)).refusal()
                    == "mmproj.gguf: clip.vision.block_count is \(count), expected a number from 1 "
                    + "to 512")
        }
    }

    @Test func finalNormIsIgnored() throws {
        let normed = pair.changed {
            $0.projector.set("v.post_ln.weight", shape: [16], floats: gaussians("w", 16, 1))
            $0.projector.set("v.post_ln.bias", shape: [16], floats: gaussians("b", 16, 1))
        }
        #expect(try features(normed) == (try features(pair)))
        #expect(try normed.load().warnings.isEmpty)
    }

    // MARK: Feature layers

    private func withLayers(_ layers: [Int32]) -> TinyPair {
        with("vision.feature_layer", .int32s(layers)).changed {
            // A projector that takes them.
            let width = 16 * max(1, layers.count)
            $0.projector.set(
                "mm.0.weight", shape: [width, 16], floats: gaussians("mm.0", width * 16, 0.1))
        }
    }

    @Test func oneFeatureLayerIsTheOutputOfThatBlock() throws {
        #expect(try features(withLayers([3])) == (try features(pair)))
        let shortened = pair.changed {
            $0.projector["clip.vision.block_count"] = .uint32(2)
            for tensor in $0.projector.tensors where tensor.name.hasPrefix("v.blk.2.") {
                $0.projector[tensor: tensor.name] = nil
            }
        }
        #expect(try features(withLayers([2])) == (try features(shortened)))
        #expect(try features(withLayers([2])) != (try features(pair)))
        // Layer 0 is what the first block reads: no block runs.
        let damaged = withLayers([0]).changed {
            $0.projector.set(
                "v.blk.0.attn_out.bias", shape: [16], floats: .init(repeating: .nan, count: 16))
        }
        #expect(try features(damaged) == (try features(withLayers([0]))))
    }

    @Test func severalFeatureLayersAreJoinedInTheirOrder() throws {
        let joined = try features(withLayers([3, 0, 2]))
        let single = try [3, 0, 2].map { try features(withLayers([$0])) }
        for patch in 0..<4 {
            let row = single.flatMap { $0[patch * 16..<patch * 16 + 16] }
            #expect(Array(joined[patch * 48..<patch * 48 + 48]) == row)
        }
        #expect(try withLayers([3, 0, 2]).load().projected().count == 4 * 16)
    }

    @Test(arguments: [[-2], [4], [3, -1], .init(repeating: 1, count: 17)] as [[Int32]])
    func otherFeatureLayersAreRefused(layers: [Int32]) throws {
        #expect(
            try withLayers(layers).refusal()
                == "mmproj.gguf: clip.vision.feature_layer is \(layers), expected up to 16 of 0…3")
    }

    @Test func noFeatureLayerMeansTheDefault() throws {
        let empty = with("vision.feature_layer", .int32s([]))
        #expect(try features(empty) == (try features(pair)))
    }

    // MARK: Activation

    @Test func activationIsNamedByTheFile() throws {
        #expect(try features(with("use_gelu", .bool(false))) == (try features(pair)))
        let gelu = with("use_gelu", .bool(true))
        #expect(try self.config(gelu.load()).activation == .gelu)
        #expect(relativeError(try features(gelu), try features(pair)) > 1e-4)
        #expect(
            try with("use_silu", .bool(true)).refusal()
                == "mmproj.gguf: clip.use_silu is true, which is not supported; supported: "
                + "quick-GELU, GELU")
    }

    // MARK: Colours

    @Test func coloursDefaultToCLIPs() throws {
        let config = try self.config(pair.load())
        #expect(config.mean == [0.48145466, 0.4578275, 0.40821073])
        #expect(config.deviation == [0.26862954, 0.26130258, 0.27577711])
        let own = with("vision.image_mean", .float32s([0.5, 0.25, 0.125])).changed {
            $0.projector["clip.vision.image_std"] = .float32s([1, 2, 4])
        }
        let other = try own.load()
        #expect(try self.config(other).mean == [0.5, 0.25, 0.125])
        let white = Picture(width: 1, height: 1, pixels: [255, 255, 255])
        let tiles = try other.pictureEncoder.tiles(of: white)
        #expect(tiles.pixels[0] == 0.5 && tiles.pixels[2 * 28 * 28] == 0.875 / 4)
    }

    @Test(arguments: [[], [1, 1], [1, 1, 1, 1], [1, .nan, 1], [1, .infinity, 1]] as [[Float]])
    func otherNumbersOfColoursAreRefused(values: [Float]) throws {
        for key in ["vision.image_mean", "vision.image_std"] {
            let expected =
                "mmproj.gguf: clip.\(key) is \(values), expected 3 finite numbers"
            #expect(try with(key, .float32s(values)).refusal() == expected)
        }
    }

    @Test func coloursOutsideTheirRangeAreRefused() throws {
        for (key, values) in [
            ("mean", [0.5, -1, 0.5]), ("mean", [0.5, 2, 0.5]), ("std", [1, 0, 1]),
            ("std", [1, -1, 1]),
        ] as [(String, [Float])] {
            let refusal = try with("vision.image_\(key)", .float32s(values)).refusal()
            #expect(refusal?.contains("\(values)") == true)
        }
    }

    // MARK: Implausible numbers

    @Test(arguments: [
        "image_size", "patch_size", "embedding_length", "feed_forward_length",
        "attention.head_count", "block_count",
    ])
    func everyCountIsNeededAndBounded(key: String) throws {
        let missing = try with("vision.\(key)", nil).refusal()
        #expect(missing?.hasPrefix("mmproj.gguf: clip.vision.\(key) is missing") == true)
        for value in [0, UInt32.max] {
            let refusal = try with("vision.\(key)", .uint32(value)).refusal()
            #expect(refusal?.hasPrefix("mmproj.gguf: clip.vision.\(key) is \(value)") == true)
        }
        let text = try with("vision.\(key)", .string("16")).refusal()
        #expect(
            text == "mmproj.gguf: metadata 'clip.vision.\(key)' is str, expected an integer")
    }

    @Test func contradictionsAreNamed() throws {
        #expect(
            try with("vision.attention.head_count", .uint32(3)).refusal()
                == "mmproj.gguf: clip.vision.attention.head_count is 3, expected a divisor of 16")
        #expect(
            try with("vision.patch_size", .uint32(29)).refusal()
                == "mmproj.gguf: clip.vision.patch_size is 29, expected a number from 1 to 28")
        let fine = with("vision.image_size", .uint32(2048)).changed {
            $0.projector["clip.vision.patch_size"] = .uint32(1)
        }
        #expect(
            try fine.refusal()
                == "mmproj.gguf: clip.vision.patch_size is 1, expected at most 128 patches along "
                + "2048 pixels")
        #expect(
            try with("has_vision_encoder", .bool(false)).refusal()
                == "mmproj.gguf: clip.has_vision_encoder is false, which is not supported; "
                + "supported: true")
        #expect(
            try with("vision.attention.layer_norm_epsilon", .float32(-1)).refusal()
                == "mmproj.gguf: clip.vision.attention.layer_norm_epsilon is -1.0, expected a "
                + "positive number")
    }
}
