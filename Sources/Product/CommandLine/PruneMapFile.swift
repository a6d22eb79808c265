// SPDX-License-Identifier: Apache-2.0
import Imaging
import TrimLLaVA

/// A drawn map of what a selector kept.
struct PruneMapFile {
    let path: String

    /// Draws the map and writes it.
    func write(
        _ picture: Picture, _ selection: PictureSelection, _ preprocessor: CLIPPreprocessor
    ) throws(ImagingError) {
        let regions = PatchRegions(of: picture.size, preprocessor: preprocessor)
        let map = try PruneMap.draw(picture, regions: regions, kept: selection.keptPatches)
        try PictureEncoder.write(map, to: path)
    }

    /// The counts that are printed with the map.
    func summary(
        _ picture: Picture, _ selection: PictureSelection, _ llava: LLaVA, crop: Bool
    ) -> String {
        let regions = PatchRegions(
            of: picture.size, preprocessor: llava.model.preprocessor(crop: crop))
        let hidden = selection.keptPatches.count { regions.isPadding($0) }
        return """
            kept \(selection.keptPatches.count) of \(selection.candidateCount) patches\
            \(selection.keptNewlineCount > 0 ? " and \(selection.keptNewlineCount) newlines" : "")\
            \(hidden > 0 ? ", \(hidden) of them in the padding around the picture" : "")
            """
    }
}
