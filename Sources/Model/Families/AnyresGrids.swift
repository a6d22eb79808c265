// SPDX-License-Identifier: Apache-2.0
import Imaging
import Pictures
import Weights

/// The resolutions that a file's pictures are resized to, as its metadata list them.
struct AnyresGrids: Sendable {
    let pinpoints: [PixelSize]

    /// Nil for a file that lists none.
    ///
    /// - Parameter clip: the metadata below `clip.vision`.
    init?(_ clip: Hyperparameters, tileSide: Int) throws(ModelError) {
        let key = "image_grid_pinpoints"
        guard let sides = try clip.integers(ifPresent: key), !sides.isEmpty else { return nil }
        let limit = 16 * tileSide
        guard
            sides.count % 2 == 0, sides.count <= 256,
            sides.allSatisfy({ $0 > 0 && $0 % tileSide == 0 && $0 <= limit })
        else {
            throw clip.invalid(
                key, "\(sides.prefix(16))", "pairs of multiples of \(tileSide) up to \(limit)")
        }
        if let merge = try clip.string(ifPresent: "mm_patch_merge_type"), merge != "spatial_unpad" {
            throw clip.unsupported("mm_patch_merge_type", merge, supported: "spatial_unpad")
        }
        pinpoints = stride(from: 0, to: sides.count, by: 2).map {
            PixelSize(width: sides[$0], height: sides[$0 + 1])
        }
    }
}
