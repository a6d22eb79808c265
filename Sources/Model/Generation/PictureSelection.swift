// SPDX-License-Identifier: Apache-2.0
import Pictures

/// Which of a picture's rows enter the decoder.
public struct PictureSelection: Sendable, Equatable {
    /// The patches that could be chosen from: all of the base tile, and those of the grid that show
    /// the picture.
    public let candidateCount: Int
    /// The kept ones, ascending indices below `candidateCount`.
    public let keptPatches: [Int]
    /// The rows that enter, newlines included: ascending indices below `unprunedRowCount`.
    public let keptRows: [Int]
    /// Rows of the picture without pruning.
    public let unprunedRowCount: Int
    /// Whether a selector that looks at the question had none to look at.
    public let lacksQuestion: Bool

    /// Newline rows that enter.
    public var keptNewlineCount: Int { keptRows.count - keptPatches.count }

    /// All rows of a picture.
    init(all plan: PicturePlan) {
        self.init(plan, keeping: Array(plan.candidates.indices), lacksQuestion: false)
    }

    /// Some patches of a picture, ascending, and the newlines that follow them.
    init(_ plan: PicturePlan, keeping patches: [Int], lacksQuestion: Bool) {
        candidateCount = plan.candidates.count
        keptPatches = patches
        keptRows = plan.rows(keeping: patches)
        unprunedRowCount = plan.rows.count
        self.lacksQuestion = lacksQuestion
    }
}
