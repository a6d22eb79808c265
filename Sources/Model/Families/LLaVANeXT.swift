// SPDX-License-Identifier: Apache-2.0
import GGUF
import Imaging
import Pictures
import TensorOps
import Weights

/// LLaVA-NeXT, also called LLaVA-1.6: a base tile, a grid of tiles at the best of some resolutions, and newlines.
package struct LLaVANeXTFamily: ModelFamily {
    package let vision: VisionConfig
    package let textBesidePictures = "\n"
    private let projector: LLaVAProjectorKind
    private let file: String
    private let pinpoints: [PixelSize]
    private let tiles: LLaVATiles

    /// Files of this family have resolutions to choose from.
    package init?(_ projector: GGUFFile) throws(ModelError) {
        let clip = Hyperparameters(metadata: projector.metadata, prefix: "clip.vision")
        guard let sides = try clip.integers(ifPresent: Self.resolutions), !sides.isEmpty else {
            return nil
        }
        self.projector = try LLaVAProjectorKind(projector)
        vision = try VisionConfig(projector)
        pinpoints = try Self.pinpoints(sides, clip, tileSide: vision.tileSide)
        _ = try clip.aspectRatio()
        file = projector.path
        tiles = try vision.tiles(.anyres(pinpoints: pinpoints), file: projector.path)
    }

    /// A picture is always seen whole; where it may have fewer tiles, smaller resolutions are left.
    package func tiling(
        _ options: TilingOptions, _: MarkerTokens
    ) throws(ModelError) -> any PictureTiling {
        guard let most = options.mostTiles else { return tiles }
        func tileCount(_ pinpoint: PixelSize) -> Int {
            1 + pinpoint.width / vision.tileSide * (pinpoint.height / vision.tileSide)
        }
        let fewest = pinpoints.reduce(Int.max) { min($0, tileCount($1)) }
        let allowed = pinpoints.filter { tileCount($0) <= max(most, fewest) }
        return try vision.tiles(.anyres(pinpoints: allowed), file: file)
    }

    package func encoder(
        _ tiling: any PictureTiling, _ loader: TensorLoader, _ precision: VisionPrecision,
        _ ops: TensorOps
    ) throws(ModelError) -> TiledEncoder {
        try .llava(vision, projector, tiling, hasNewline: true, loader, precision, ops)
    }

    private static let resolutions = "image_grid_pinpoints"

    /// - Parameter sides: width and height of each resolution.
    private static func pinpoints(
        _ sides: [Int], _ clip: Hyperparameters, tileSide: Int
    ) throws(ModelError) -> [PixelSize] {
        let limit = 16 * tileSide
        guard
            sides.count % 2 == 0, sides.count <= 256,
            sides.allSatisfy({ $0 > 0 && $0 % tileSide == 0 && $0 <= limit })
        else {
            throw clip.invalid(
                resolutions, "\(sides.prefix(16))",
                "pairs of multiples of \(tileSide) up to \(limit)")
        }
        if let merge = try clip.string(ifPresent: "mm_patch_merge_type"), merge != "spatial_unpad" {
            throw clip.unsupported("mm_patch_merge_type", merge, supported: "spatial_unpad")
        }
        return stride(from: 0, to: sides.count, by: 2).map {
            PixelSize(width: sides[$0], height: sides[$0 + 1])
        }
    }
}
