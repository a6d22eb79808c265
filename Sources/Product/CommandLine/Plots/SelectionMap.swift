// SPDX-License-Identifier: Apache-2.0
import Imaging
import Pictures
import TrimLLaVA

/// What a selector kept of a picture, as a drawing and as counts.
struct SelectionMap {
    private let picture: Picture
    private let selection: PictureSelection
    private let regions: PatchRegions

    /// - Parameter crop: whether a LLaVA-1.5 model saw only the middle square of the picture.
    init(
        _ picture: Picture, _ selection: PictureSelection, _ llava: LLaVA, crop: Bool
    ) throws {
        self.picture = picture
        self.selection = selection
        regions = try llava.model.pictureEncoder(crop: crop).regions(of: picture.size)
    }

    /// Draws the map and writes it as a PNG file.
    func write(to path: String) throws(ImagingError) {
        let map = try PruneMap.draw(picture, regions: regions, kept: selection.keptPatches)
        try PNGEncoder.write(map, to: path)
    }

    /// The counts that are printed with the map.
    var summary: String {
        let hidden = selection.keptPatches.count { regions.isPadding($0) }
        return """
            kept \(selection.keptPatches.count) of \(selection.candidateCount) patches\
            \(selection.textBesidePatches)\
            \(hidden > 0 ? ", \(hidden) patches in the padding around the picture" : "")
            """
    }
}

extension PictureSelection {
    /// What is kept beside patches, to follow their count; empty for nothing.
    var textBesidePatches: String {
        Self.textBesidePatches(newlines: keptNewlineCount, markers: keptMarkerCount)
    }

    /// The same for counts of several pictures.
    static func textBesidePatches(newlines: Int, markers: Int) -> String {
        (newlines > 0 ? " and \(newlines) newlines" : "")
            + (markers > 0 ? " and \(markers) markers" : "")
    }
}
