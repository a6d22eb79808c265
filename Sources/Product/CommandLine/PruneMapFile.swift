// SPDX-License-Identifier: Apache-2.0
import Imaging
import Pictures
import TrimLLaVA

/// A drawn map of what a selector kept.
struct PruneMapFile {
    let path: String

    /// Draws the map and writes it.
    func write(
        _ picture: Picture, _ selection: PictureSelection, _ encoder: any PictureEncoder
    ) throws(ImagingError) {
        let map = try PruneMap.draw(
            picture, regions: encoder.regions(of: picture.size), kept: selection.keptPatches)
        try PNGEncoder.write(map, to: path)
    }

    /// The counts that are printed with the map.
    func summary(
        _ picture: Picture, _ selection: PictureSelection, _ llava: LLaVA, crop: Bool
    ) -> String {
        let regions = llava.model.pictureEncoder(crop: crop).regions(of: picture.size)
        let hidden = selection.keptPatches.count { regions.isPadding($0) }
        return """
            kept \(selection.keptPatches.count) of \(selection.candidateCount) patches\
            \(selection.keptNewlineCount > 0 ? " and \(selection.keptNewlineCount) newlines" : "")\
            \(hidden > 0 ? ", \(hidden) of them in the padding around the picture" : "")
            """
    }
}
