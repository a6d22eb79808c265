// SPDX-License-Identifier: Apache-2.0
import Imaging
import TensorOps
import Weights

extension TiledEncoder {
    /// Idefics3's encoder: SigLIP's tower, and one matrix on merged patches.
    ///
    /// - Parameter mergedSide: patches along a side of the block that becomes a cell.
    /// - Throws: `ModelError`.
    package static func idefics3(
        _ config: VisionConfig, mergedSide: Int, _ tiling: any PictureTiling,
        _ transparency: Transparency, _ loader: TensorLoader, _ precision: VisionPrecision,
        _ ops: TensorOps
    ) throws(ModelError) -> TiledEncoder {
        let merging = PatchMerging(
            side: mergedSide, patchesPerSide: config.tileSide / config.patchSide)
        let matrix = try loader.projection(
            VisionTensors.idefics3Projector,
            inputs: merging.patchesPerCell * config.featureWidth, precision, ops)
        return TiledEncoder(
            try VisionTower(config, loader, precision, ops), tiling, merging: merging,
            Projector([.linear(matrix)], outputWidth: matrix.outputs, ops),
            transparency: transparency, ops)
    }
}
