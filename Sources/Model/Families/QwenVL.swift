// SPDX-License-Identifier: Apache-2.0
import Decoder
import GGUF
import Pictures
import TensorOps
import Weights

/// Qwen2-VL, Qwen2.5-VL and Qwen3-VL (arXiv 2409.12191, 2502.13923, 2511.21631): a picture of any size, between markers,
/// whose rows have a row and a column as position.
package struct QwenVLFamily: ModelFamily {
    package let textBesidePictures = ""
    private let config: QwenVLConfig

    /// Files of this family name their mergers.
    package init?(_ projector: GGUFFile) throws(ModelError) {
        guard let config = try QwenVLConfig(projector) else { return nil }
        self.config = config
    }

    package var decoders: [DecoderConfig.Architecture] {
        config.generation == .qwen3 ? [.qwen3vl] : [.qwen2vl]
    }
    package var blockCount: Int { config.blockCount }
    package var warnings: [String] { config.warnings }
    package func activationBytes(_ plan: PicturePlan) -> Int {
        config.activationBytes(cells: plan.cellCount)
    }
    package func bytes(_ plan: PicturePlan, width: Int, isPruned: Bool) -> Int {
        let cell =
            3 * config.cellSide * config.cellSide + (1 + config.taps.count) * width
            + (isPruned ? 2 * config.mergedWidth : 0)
        return plan.cellCount * cell * MemoryLayout<Float>.stride
    }

    /// A picture is always seen whole.
    package func tiling(
        _ options: TilingOptions, _ markers: MarkerTokens
    ) throws(ModelError) -> any PictureTiling {
        let encoder = try markers.encoder()
        return QwenVLTiling(
            config, mostPixels: options.mostPixels,
            start: try encoder.special("<|vision_start|>"),
            end: try encoder.special("<|vision_end|>"))
    }

    package func encoder(
        _ tiling: any PictureTiling, _ loader: TensorLoader, _ precision: VisionPrecision,
        _ ops: TensorOps
    ) throws(ModelError) -> any TilingEncoder {
        try QwenVLEncoder(config, tiling, loader, precision, ops)
    }
}
