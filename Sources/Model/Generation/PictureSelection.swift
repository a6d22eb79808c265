// SPDX-License-Identifier: Apache-2.0
import Imaging
import Pictures

/// Which of a picture's rows enter the decoder.
public struct PictureSelection: Sendable, Equatable {
    /// The patches that could be chosen from: all that show the picture.
    ///
    /// Where a model merges patches, merged ones are counted.
    public let candidateCount: Int
    /// The kept ones, ascending indices below `candidateCount`.
    public let keptPatches: [Int]
    /// The rows that enter, newlines and markers included: ascending indices below `unprunedRowCount`.
    public let keptRows: [Int]
    /// Rows of the picture without pruning.
    public let unprunedRowCount: Int
    /// Whether a selector that looks at the question had none to look at.
    public let lacksQuestion: Bool
    /// The size at which the model saw a picture that has more pixels than it may have; nil for any other picture.
    public let seenSize: PixelSize?

    /// Newline rows that enter, which LLaVA-NeXT has at the end of each line of patches.
    public let keptNewlineCount: Int
    /// Tokens of the text model that enter, by which SmolVLM marks the tiles of a picture.
    public let keptMarkerCount: Int

    /// All rows of a picture.
    init(all plan: PicturePlan) {
        self.init(plan, keeping: Array(plan.candidates.indices), lacksQuestion: false)
    }

    /// Some patches of a picture, ascending, and the newlines and markers beside them.
    init(_ plan: PicturePlan, keeping patches: [Int], lacksQuestion: Bool) {
        candidateCount = plan.candidates.count
        keptPatches = patches
        keptRows = plan.rows(keeping: patches)
        keptNewlineCount = keptRows.count { plan.rows[$0] == .newline }
        keptMarkerCount = keptRows.count - patches.count - keptNewlineCount
        unprunedRowCount = plan.rows.count
        seenSize = plan.seenSize
        self.lacksQuestion = lacksQuestion
    }
}
