// SPDX-License-Identifier: Apache-2.0
import TensorOps
import Weights

extension TiledEncoder {
    /// LLaVA's encoder: CLIP's or SigLIP's tower, and a projector that reads every patch.
    ///
    /// - Throws: `ModelError`.
    package static func llava(
        _ config: VisionConfig, _ kind: LLaVAProjectorKind, _ tiling: any PictureTiling,
        hasNewline: Bool, _ loader: TensorLoader, _ precision: VisionPrecision, _ ops: TensorOps
    ) throws(ModelError) -> TiledEncoder {
        let tower = try VisionTower(config, loader, precision, ops)
        let projector = try Projector(
            kind, inputs: config.featureWidth, epsilon: config.epsilon, loader, precision, ops)
        return TiledEncoder(
            tower, tiling, projector,
            newline: hasNewline ? try loader.newline(width: projector.outputWidth) : nil, ops)
    }
}

extension TensorLoader {
    /// The newline row of an anyres model, under any of the names that published files use.
    fileprivate func newline(width: Int) throws(ModelError) -> [Float] {
        for name in VisionTensors.newline where contains(name) {
            return try vector(name, count: width)
        }
        throw .missingTensor(file: file.path, name: VisionTensors.newline[0])
    }
}
