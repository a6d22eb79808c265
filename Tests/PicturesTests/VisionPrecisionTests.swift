// SPDX-License-Identifier: Apache-2.0
import Families
import GGUF
import KernelInterface
import Kernels
import ModelTestSupport
import TensorOps
import TestSupport
import Testing
import WorkerPool

@testable import Pictures
@testable import Weights

/// The effect of rounding a vision tower to bytes, or to bf16, on the features of each patch.
@Suite struct VisionPrecisionTests {
    /// The cosines of the angles between rows of two matrices, without the given columns.
    private func cosines(
        _ left: [Float], _ right: [Float], width: Int, without skipped: Set<Int> = []
    ) -> [Double] {
        precondition(left.count == right.count)
        let columns = (0..<width).filter { !skipped.contains($0) }
        return stride(from: 0, to: left.count, by: width).map { start in
            var (product, leftPower, rightPower) = (0.0, 0.0, 0.0)
            for column in columns {
                let (x, y) = (Double(left[start + column]), Double(right[start + column]))
                product += x * y
                leftPower += x * x
                rightPower += y * y
            }
            return product / (leftPower * rightPower).squareRoot()
        }
    }

    private func expectAlike(_ cosines: [Double], _ place: String) {
        let mean = cosines.reduce(0, +) / Double(cosines.count)
        let worst = cosines.min() ?? 0
        #expect(mean >= 0.999, "\(place): mean cosine \(mean)")
        #expect(worst >= 0.99, "\(place): worst cosine \(worst)")
    }

    private func operations(_ mode: ActivationMode) throws -> TensorOps {
        TensorOps(
            kernels: try KernelTable.named(nil), pool: WorkerPool(threadCount: 2),
            activationMode: mode)
    }

    @Test(
        arguments: GoldenCase.all.filter {
            $0.name == "landscape-pad" || $0.name == "portrait-pad"
        },
        [ActivationMode.per32, .pow2])
    func goldenTowers(golden: GoldenCase, mode: ActivationMode) throws {
        guard let pixels = try golden.stage("pixels")?.floats else { return }
        func features(_ precision: VisionPrecision) throws -> Activations {
            let model = try LLaVAModel(
                text: GGUFFile(path: golden.textPath),
                projector: GGUFFile(path: golden.projectorPath), ops: operations(mode),
                visionPrecision: precision)
            let side = try #require(model.pictureEncoder as? TiledEncoder).tower.config.tileSide
            return try #require(model.encoded(Array(pixels[..<(3 * side * side)])).features)
        }
        let float = try features(.float)
        for precision in [VisionPrecision.int8, .bf16] {
            let rounded = try features(precision).array
            // Rows of weights that are shorter than a block of Q8_0 stay floats. Attention is
            // rounded even so where the processor has products of bf16 numbers.
            if precision == .bf16 || float.width >= 32 { #expect(rounded != float.array) }
            expectAlike(
                cosines(rounded, float.array, width: float.width),
                "\(golden) \(mode) \(precision)")
        }
    }

    /// CLIP ViT-L/14-336 of random weights, whose residual stream has three channels much larger than
    /// the others, as the published one has.
    private func largeTower(blocks: Int) -> (pair: TinyPair, channels: Set<Int>) {
        var model = TinyModel(textFormat: .f32, projectorFormat: .f16)
        (model.width, model.feedForwardWidth) = (16, 24)
        (model.tileSide, model.patchSide) = (336, 14)
        (model.visionWidth, model.visionFeedForwardWidth) = (1024, 4096)
        (model.visionHeads, model.visionBlocks) = (16, blocks)
        var pair = TinyPair(model)
        let outliers = [5: Float(50), 486: 75, 1001: 100]
        var weights = pair.projector.floats("v.pre_ln.weight")
        for (channel, factor) in outliers { weights[channel] *= factor }
        pair.projector.set("v.pre_ln.weight", shape: [1024], floats: weights)
        return (pair, Set(outliers.keys))
    }

    @Test func towerWithLargeChannels() throws {
        let (pair, channels) = largeTower(blocks: 2)
        let ops = try operations(.pow2)
        let (float, rounded) = try pair.withPaths { text, projector in
            let (text, projector) = (try GGUFFile(path: text), try GGUFFile(path: projector))
            func features(_ precision: VisionPrecision) throws -> [Float] {
                try LLaVAModel(
                    text: text, projector: projector, ops: ops, visionPrecision: precision
                ).features()
            }
            return (
                try features(.float), try [VisionPrecision.int8, .bf16].map(features)
            )
        }
        for features in rounded {
            #expect(features != float)
            expectAlike(cosines(features, float, width: 1024), "all channels")
            // The large channels alone would make any two rows alike.
            expectAlike(
                cosines(features, float, width: 1024, without: channels), "the other channels")
        }
    }
}
