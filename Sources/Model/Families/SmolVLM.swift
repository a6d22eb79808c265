// SPDX-License-Identifier: Apache-2.0
import GGUF
import Imaging
import Pictures
import TensorOps
import Tokenization
import Weights

/// Idefics3, SmolVLM and SmolVLM2 (arXiv 2408.12637, 2504.05299): a grid of tiles, each between markers, and the whole
/// picture at last.
package struct SmolVLMFamily: TiledFamily {
    package let vision: VisionConfig
    package let transparency = Transparency.onWhite
    package let textBesidePictures = ""
    /// Patches along a side of the block that becomes a cell.
    private let mergedSide: Int
    private let longestEdge: Int

    /// Files of this family name their projector.
    package init?(_ projector: GGUFFile) throws(ModelError) {
        let clip = Hyperparameters(metadata: projector.metadata, prefix: "clip")
        guard try clip.projectorType() == "idefics3" else { return nil }
        vision = try VisionConfig(projector, features: .normalisedLast, reads: Self.keys)
        let parameters = Hyperparameters(metadata: projector.metadata, prefix: "clip.vision")
        let patches = vision.tileSide / vision.patchSide
        mergedSide = try parameters.count("projector.scale_factor", upTo: 16)
        guard patches % mergedSide == 0 else {
            throw parameters.invalid(
                "projector.scale_factor", "\(mergedSide)", "a divisor of \(patches)")
        }
        // Published models have four tiles along the longer side.
        longestEdge =
            try parameters.count(ifPresent: "preproc_image_size", upTo: 16 * vision.tileSide)
            ?? 4 * vision.tileSide
        guard longestEdge % vision.tileSide == 0 else {
            throw parameters.invalid(
                "preproc_image_size", "\(longestEdge)", "a multiple of \(vision.tileSide)")
        }
    }

    private static let keys: Set<String> = [
        "vision.projector.scale_factor", "vision.preproc_image_size",
    ]

    /// A picture is always seen whole.
    package func tiling(
        _ options: TilingOptions, _ markers: MarkerTokens
    ) throws(ModelError) -> any PictureTiling {
        let tilesPerSide = longestEdge / vision.tileSide
        return try Idefics3Tiles(
            vision, cellsPerSide: vision.tileSide / vision.patchSide / mergedSide,
            tilesPerSide: tilesPerSide, mostTiles: options.mostTiles,
            markers.idefics3(tilesPerSide: tilesPerSide))
    }

    package func encoder(
        _ tiling: any PictureTiling, _ loader: TensorLoader, _ precision: VisionPrecision,
        _ ops: TensorOps
    ) throws(ModelError) -> any TilingEncoder {
        try TiledEncoder.idefics3(
            vision, mergedSide: mergedSide, tiling, transparency, loader, precision, ops)
    }
}

extension MarkerTokens {
    /// The markers of Idefics3's pictures in grids of up to `tilesPerSide` tiles a side.
    fileprivate func idefics3(tilesPerSide: Int) throws(ModelError) -> Idefics3Markers {
        let encoder = try encoder()
        var places: [[TokenID]] = []
        for row in 1...tilesPerSide {
            var tokens: [TokenID] = []
            for column in 1...tilesPerSide {
                tokens.append(try encoder.special("<row_\(row)_col_\(column)>"))
            }
            places.append(tokens)
        }
        return Idefics3Markers(
            around: try encoder.special("<fake_token_around_image>"), places: places,
            whole: try encoder.special("<global-img>"), lineEnd: encoder.tokens("\n"),
            lastLineEnd: encoder.tokens("\n\n"))
    }
}
