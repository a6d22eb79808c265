// SPDX-License-Identifier: Apache-2.0
import GGUF
import Imaging
import Pictures
import TensorOps
import Weights

/// LLaVA-OneVision (arXiv 2408.03326): LLaVA-NeXT's tiles on SigLIP's tower, with a limit on the cells of the grid; of
/// several pictures each is one padded tile, and of a video each frame a stretched one.
///
/// llama.cpp knows no such pair. The projector's file has LLaVA-NeXT's keys and tensors, and
/// `clip.vision.image_aspect_ratio` is `anyres_max_9`, as in the model's own configuration.
package struct LLaVAOneVisionFamily: TiledFamily {
    package let vision: VisionConfig
    package let textBesidePictures = "\n"
    private let projector: LLaVAProjectorKind
    private let alone: LLaVATiles
    private let amongSeveral: LLaVATiles
    private let frames: LLaVATiles

    /// Files of this family limit the cells of a grid.
    package init?(_ projector: GGUFFile) throws(ModelError) {
        let clip = Hyperparameters(metadata: projector.metadata, prefix: "clip.vision")
        let key = "image_aspect_ratio"
        guard let ratio = try clip.string(ifPresent: key), ratio.hasPrefix(Self.prefix) else {
            return nil
        }
        guard let limit = Int(ratio.dropFirst(Self.prefix.count)), (1...256).contains(limit) else {
            throw clip.invalid(key, ratio, "\(Self.prefix) and a number from 1 to 256")
        }
        self.projector = try LLaVAProjectorKind(projector)
        vision = try VisionConfig(projector)
        guard let grids = try AnyresGrids(clip, tileSide: vision.tileSide) else {
            throw clip.invalid("image_grid_pinpoints", "missing", "resolutions for \(ratio)")
        }
        alone = try vision.tiles(
            .anyres(pinpoints: grids.pinpoints, mostGridTiles: limit), file: projector.path)
        amongSeveral = try vision.tiles(.paddedLine, file: projector.path)
        frames = try vision.tiles(.stretchedLine, file: projector.path)
    }

    package var video: (any VideoTiling)? { LLaVAVideo(frames) }

    private static let prefix = "anyres_max_"

    /// A picture is always seen whole.
    package func tiling(_ options: TilingOptions, _: MarkerTokens) -> any PictureTiling {
        options.isAmongSeveral ? amongSeveral : alone.limited(toTiles: options.mostTiles)
    }

    package func encoder(
        _ tiling: any PictureTiling, _ loader: TensorLoader, _ precision: VisionPrecision,
        _ ops: TensorOps
    ) throws(ModelError) -> any TilingEncoder {
        try TiledEncoder.llava(vision, projector, tiling, hasNewline: true, loader, precision, ops)
    }
}
