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
        model.family = pick(
            .llava, .llava, .llava, .smolVLM, .oneVision, .qwen3VL, .qwen2_5VL, .qwen2VL)
        let fitting =
            switch model.family {
            case .qwen3VL: "qwen3vl"
            case .qwen2_5VL, .qwen2VL: "qwen2vl"
            case .llava, .smolVLM, .oneVision: pick("llama", "qwen2", "phi3", "qwen3")
            }
        // Another decoder is refused before anything else is looked at.
        let fits = Int.random(in: 0..<8, using: &random) > 0
        model.architecture = fits ? fitting : pick("llama", "qwen2vl", "qwen3vl")
        model.keyValueHeads = pick(1, 1, 2, 3)
        model.heads = model.keyValueHeads * pick(1, 1, 2, 5)
        model.width = model.heads * pick(1, 2, 2, 4, 6) + pick(0, 0, 0, 1)
        model.layers = pick(1, 2, 3)
        model.feedForwardWidth = pick(1, 2, 7, 65)
        model.contextLength = pick(1, 2, 40, 40, 1000)
        model.visionHeads = pick(1, 1, 2, 3)
        // Qwen-VLs turn the pairs of a head by rows and columns.
        let fold = model.family.isQwenVL ? 4 : 1
        model.visionWidth = model.visionHeads * fold * pick(1, 2, 3, 5) + pick(0, 0, 0, 1)
        model.visionFeedForwardWidth = pick(1, 2, 3, 8, 15)
        model.visionBlocks = pick(1, 2, 24)
        model.patchSide = pick(1, 2, 3, 14)
        model.tileSide = model.patchSide * pick(1, 2, 5) + pick(0, 0, 1)
        let tile = Int32(model.tileSide)
        model.pinpoints = pick([], [tile, tile], [tile, 2 * tile, 16 * tile, tile])
        if model.family == .oneVision, model.pinpoints.isEmpty { model.pinpoints = [tile, tile] }
        return model
    }
}
