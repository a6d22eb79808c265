// SPDX-License-Identifier: Apache-2.0
import Imaging
import ModelTestSupport
import TestSupport
import Testing

@testable import Families

/// LLaVA-NeXT files: resolutions to choose from, and the newline row.
@Suite struct AnyresConfigTests {
    private let pair: TinyPair = {
        var model = TinyModel()
        model.pinpoints = [28, 56, 56, 28, 56, 56]
        return TinyPair(model)
    }()

    private func visualTokens(_ pair: TinyPair, width: Int, height: Int) throws -> [Float] {
        let model = try pair.load()
        let pixels = (0..<width * height * 3).map { UInt8(truncatingIfNeeded: $0 * 37) }
        let tiles = try model.pictureEncoder.tiles(
            of: Picture(width: width, height: height, pixels: pixels))
        return try model.visualTokens(of: tiles).array
    }

    @Test func newlineIsFoundUnderAnyOfItsNames() throws {
        let newline = pair.projector.floats("model.image_newline")
        let expected = try visualTokens(pair, width: 50, height: 50)
        // 4 base patches, then 4 rows of 4 patches and a newline.
        #expect(expected.count == (4 + 4 * 5) * 16)
        #expect(Array(expected[(4 + 4) * 16..<(4 + 5) * 16]) == newline)
        #expect(Array(expected.suffix(16)) == newline)
        for name in ["v.image_newline", "image_newline"] {
            let renamed = pair.changed {
                $0.projector.rename { $0 == "model.image_newline" ? name : $0 }
            }
            #expect(try visualTokens(renamed, width: 50, height: 50) == expected)
            #expect(try renamed.load().warnings.isEmpty)
        }
    }

    @Test func missingOrMalformedNewlineIsRefused() throws {
        let missing = pair.changed { $0.projector[tensor: "model.image_newline"] = nil }
        #expect(try missing.refusal() == "mmproj.gguf: tensor model.image_newline is missing")
        let short = pair.changed {
            $0.projector.set("model.image_newline", shape: [15], floats: gaussians("n", 15, 1))
        }
        #expect(
            try short.refusal()
                == "mmproj.gguf: tensor model.image_newline has shape [15], expected [16]")
    }

    @Test func newlineWithoutResolutionsIsIgnored() throws {
        let single = pair.changed { $0.projector["clip.vision.image_grid_pinpoints"] = nil }
        let model = try single.load()
        #expect(try visualTokens(single, width: 50, height: 50).count == 4 * 16)
        #expect(
            model.warnings.map { $0.replacing(/^.*\//, with: "") }
                == ["mmproj.gguf: 1 unused tensor: model.image_newline"])
    }

    @Test(
        arguments: [
            [28], [28, 56, 56], [0, 28], [-28, 28], [30, 28], [28, 28 * 17], [28, .max],
            .init(repeating: 28, count: 258),
        ] as [[Int32]])
    func malformedResolutionsAreRefused(pinpoints: [Int32]) throws {
        let changed = pair.changed {
            $0.projector["clip.vision.image_grid_pinpoints"] = .int32s(pinpoints)
        }
        #expect(
            try changed.refusal()
                == "mmproj.gguf: clip.vision.image_grid_pinpoints is \(pinpoints.prefix(16)), "
                + "expected pairs of multiples of 28 up to 448")
    }

    @Test func otherWaysToMergePatchesAreRefused() throws {
        func merging(_ value: String) -> TinyPair {
            pair.changed { $0.projector["clip.vision.mm_patch_merge_type"] = .string(value) }
        }
        #expect(try merging("spatial_unpad").refusal() == nil)
        #expect(
            try merging("flat").refusal()
                == "mmproj.gguf: clip.vision.mm_patch_merge_type is flat, which is not supported; "
                + "supported: spatial_unpad")
    }

    @Test func largestPictureHasTheTokensOfTheLargestGrid() throws {
        let largest = try pair.load().pictureEncoder.largestPlans
        #expect(largest.mostRows(within: nil) == 4 + 4 * 5)
        #expect(try TinyPair().load().pictureEncoder.largestPlans.mostRows(within: nil) == 4)
    }
}
