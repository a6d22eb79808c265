// SPDX-License-Identifier: Apache-2.0
import TestSupport

extension TinyModel {
    /// A complete model of sizes that no published one has: ones, primes, and sizes that divide or do
    /// not divide each other.
    static func odd(using random: inout SeededGenerator) -> TinyModel {
        func pick<Value>(_ values: Value...) -> Value {
            values[Int.random(in: 0..<values.count, using: &random)]
        }
        var model = TinyModel()
        model.family = pick(.llava, .llava, .smolVLM, .qwen3VL)
        model.architecture = pick("llama", "qwen2", "phi3", "qwen3", "qwen2vl", "qwen3vl")
        model.keyValueHeads = pick(1, 1, 2, 3)
        model.heads = model.keyValueHeads * pick(1, 1, 2, 5)
        model.width = model.heads * pick(1, 2, 2, 4, 6) + pick(0, 0, 0, 1)
        model.layers = pick(1, 2, 3)
        model.feedForwardWidth = pick(1, 2, 7, 65)
        model.contextLength = pick(1, 2, 40, 1000)
        model.visionHeads = pick(1, 1, 2, 3)
        model.visionWidth = model.visionHeads * pick(1, 2, 3, 5) + pick(0, 0, 0, 1)
        model.visionFeedForwardWidth = pick(1, 2, 3, 8, 15)
        model.visionBlocks = pick(1, 2, 24)
        model.patchSide = pick(1, 2, 3, 14)
        model.tileSide = model.patchSide * pick(1, 2, 5) + pick(0, 0, 1)
        let tile = Int32(model.tileSide)
        model.pinpoints = pick([], [tile, tile], [tile, 2 * tile, 16 * tile, tile])
        return model
    }
}
