// SPDX-License-Identifier: Apache-2.0
import GGUF
import Imaging
import Pictures
import TensorOps
import Weights

/// LLaVA-NeXT, also called LLaVA-1.6: a base tile, a grid of tiles at the best of some resolutions, and newlines.
package struct LLaVANeXTFamily: TiledFamily {
    package let vision: VisionConfig
    package let textBesidePictures = "\n"
    private let projector: LLaVAProjectorKind
    private let tiles: LLaVATiles

    /// Files of this family have resolutions to choose from.
    package init?(_ projector: GGUFFile) throws(ModelError) {
        let clip = Hyperparameters(metadata: projector.metadata, prefix: "clip.vision")
        guard try clip.integers(ifPresent: "image_grid_pinpoints")?.isEmpty == false else {
            return nil
        }
        self.projector = try LLaVAProjectorKind(projector)
        vision = try VisionConfig(projector)
        guard let grids = try AnyresGrids(clip, tileSide: vision.tileSide) else { return nil }
        _ = try clip.aspectRatio()
        tiles = try vision.tiles(.anyres(pinpoints: grids.pinpoints), file: projector.path)
    }

    /// A picture is always seen whole.
    package func tiling(_ options: TilingOptions, _: MarkerTokens) -> any PictureTiling {
        tiles.limited(toTiles: options.mostTiles)
    }

    package func encoder(
        _ tiling: any PictureTiling, _ loader: TensorLoader, _ precision: VisionPrecision,
        _ ops: TensorOps
    ) throws(ModelError) -> any TilingEncoder {
        try TiledEncoder.llava(vision, projector, tiling, hasNewline: true, loader, precision, ops)
    }
}
