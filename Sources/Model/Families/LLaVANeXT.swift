// SPDX-License-Identifier: Apache-2.0
import GGUF
import Imaging
import Pictures
import Weights

/// LLaVA-NeXT, also called LLaVA-1.6: a base tile, a grid of tiles at the best of some resolutions, and newlines.
package struct LLaVANeXTFamily: ModelFamily {
    package let vision: CLIPConfig
    private let tiles: CLIPTiles

    /// Files of this family have resolutions to choose from.
    package init?(_ projector: GGUFFile) throws(ModelError) {
        let clip = Hyperparameters(metadata: projector.metadata, prefix: "clip.vision")
        guard let sides = try clip.integers(ifPresent: Self.resolutions), !sides.isEmpty else {
            return nil
        }
        vision = try CLIPConfig(projector)
        let pinpoints = try Self.pinpoints(sides, clip, tileSide: vision.tileSide)
        _ = try clip.aspectRatio()
        tiles = try vision.tiles(.anyres(pinpoints: pinpoints), file: projector.path)
    }

    /// A picture is always seen whole.
    package func tiles(crop: Bool) -> CLIPTiles { tiles }

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
