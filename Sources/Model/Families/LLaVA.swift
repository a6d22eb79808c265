// SPDX-License-Identifier: Apache-2.0
import GGUF
import Pictures
import TensorOps
import Weights

/// LLaVA-1.0 and LLaVA-1.5 (arXiv 2304.08485, 2310.03744): a picture is one tile.
package struct LLaVAFamily: TiledFamily {
    package let vision: VisionConfig
    package let textBesidePictures = "\n"
    package let canCrop = true
    private let projector: LLaVAProjectorKind
    private let whole: LLaVATiles
    private let cropped: LLaVATiles

    package init?(_ projector: GGUFFile) throws(ModelError) {
        self.projector = try LLaVAProjectorKind(projector)
        vision = try VisionConfig(projector)
        let layout: TileLayout = try Self.isCropped(projector) ? .centerCrop : .padToSquare
        whole = try vision.tiles(layout, file: projector.path)
        cropped = try vision.tiles(.centerCrop, file: projector.path)
    }

    package func tiling(_ options: TilingOptions, _: MarkerTokens) -> any PictureTiling {
        options.crop ? cropped : whole
    }

    package func encoder(
        _ tiling: any PictureTiling, _ loader: TensorLoader, _ precision: VisionPrecision,
        _ ops: TensorOps
    ) throws(ModelError) -> any TilingEncoder {
        try TiledEncoder.llava(vision, projector, tiling, hasNewline: false, loader, precision, ops)
    }

    /// LLaVA-1.5 was trained on padded pictures, LLaVA-1.0 on their middle squares.
    private static func isCropped(_ file: GGUFFile) throws(ModelError) -> Bool {
        let clip = Hyperparameters(metadata: file.metadata, prefix: "clip.vision")
        switch try clip.aspectRatio() {
        case .square: return true
        case .anyres:
            throw clip.invalid("image_grid_pinpoints", "missing", "resolutions for anyres")
        case .pad, nil: return false
        }
    }
}

/// The values of `clip.vision.image_aspect_ratio`.
enum AspectRatio: String, CaseIterable {
    case pad, square, anyres
}

extension Hyperparameters {
    /// What a file says about pictures that are no squares.
    func aspectRatio() throws(ModelError) -> AspectRatio? {
        let key = "image_aspect_ratio"
        guard let name = try string(ifPresent: key) else { return nil }
        guard let ratio = AspectRatio(rawValue: name) else {
            throw unsupported(
                key, name,
                supported: AspectRatio.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return ratio
    }
}
