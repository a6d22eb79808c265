// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import Families
import Foundation
import GGUF
import Kernels
import ModelTestSupport
import TensorOps
import TestSupport
import Testing
import WorkerPool

@testable import Weights

@Suite struct WeightMemoryTests {
    /// The formula's result, and the size of the model's matrices when written to files.
    private func compare(
        _ pair: TinyPair, floatEncoding: BlockEncoding? = nil
    ) throws -> (estimate: WeightMemory, written: Int) {
        let folder = try TemporaryFolder()
        let text = try GGUFFile(path: folder.write(pair.text.image().bytes, to: "t"))
        let projector = try GGUFFile(path: folder.write(pair.projector.image().bytes, to: "p"))
        let ops = TensorOps(
            kernels: .reference, pool: WorkerPool(threadCount: 2), activationMode: .pow2)
        let cache = folder.path + "/cache"
        _ = try LLaVAModel(
            text: text, projector: projector, ops: ops, visionPrecision: .int8,
            packing: PackingOptions(cacheFolder: cache, floatEncoding: floatEncoding))
        var bytes = 0
        for name in try FileManager.default.contentsOfDirectory(atPath: cache) {
            let data = try Data(contentsOf: URL(fileURLWithPath: "\(cache)/\(name)"))
            let index = try #require([UInt8](data).withUnsafeBytes { PanelCacheIndex($0) })
            bytes += index.entries.reduce(0) { $0 + $1.shape.byteCount }
        }
        let estimate = try WeightMemory(
            text: text, projector: projector, visionBlocks: projector.family().blockCount,
            floatEncoding: floatEncoding)
        return (estimate, bytes)
    }

    @Test(arguments: BlockFormat.allCases)
    func countsThePanelsOfEveryFormat(format: BlockFormat) throws {
        let pair = TinyPair(TinyModel(textFormat: format, projectorFormat: format))
        let (estimate, written) = try compare(pair)
        #expect(written > 0 && estimate.packedBytes == written)
    }

    @Test(arguments: BlockEncoding.allCases)
    func countsRoundedFloats(encoding: BlockEncoding) throws {
        let pair = TinyPair(TinyModel(textFormat: .f16, projectorFormat: .f32))
        let (estimate, written) = try compare(pair, floatEncoding: encoding)
        #expect(estimate.packedBytes == written)
        #expect(written <= (try compare(pair).written))
    }

    @Test func tiedEmbeddingsAreThereTwice() throws {
        var pair = TinyPair(TinyModel(textFormat: .q8_0, projectorFormat: .f32))
        let whole = try compare(pair)
        pair.text[tensor: "output.weight"] = nil
        let tied = try compare(pair)
        #expect(tied.estimate.packedBytes == tied.written && tied.written == whole.written)
        #expect(tied.estimate.mappedBytes == whole.estimate.mappedBytes)
    }

    @Test func floatModesLeaveQuantisedFilesMapped() throws {
        let pair = TinyPair(TinyModel(textFormat: .q4_0, projectorFormat: .q8_0))
        try pair.withPaths { text, projector in
            let (text, projector) = try (GGUFFile(path: text), GGUFFile(path: projector))
            let floats = WeightMemory(
                text: text, projector: projector, visionBlocks: 3, activationMode: .float,
                visionPrecision: .float)
            let tensors = (text.tensors + projector.tensors).reduce(0) { $0 + $1.byteCount }
            #expect(floats.packedBytes == 0 && floats.mappedBytes == tensors)
        }
    }
}
