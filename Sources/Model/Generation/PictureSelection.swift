// SPDX-License-Identifier: Apache-2.0
import LLaVAModel

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
    init(all layout: VisualTokenLayout) {
        self.init(layout, keeping: Array(layout.candidates.indices), lacksQuestion: false)
    }

    /// Some patches of a picture, ascending, and the newlines that follow them.
    init(_ layout: VisualTokenLayout, keeping patches: [Int], lacksQuestion: Bool) {
        candidateCount = layout.candidates.count
        keptPatches = patches
        keptRows = layout.rows(keeping: patches)
        unprunedRowCount = layout.rows.count
        self.lacksQuestion = lacksQuestion
    }

    /// A selection that takes the most rows that the options allow, for checks before the picture is
    /// encoded: each patch in a grid row of its own, with a newline.
    init(largest layout: VisualTokenLayout, for options: GenerationOptions) {
        let all = layout.candidates.count
        let most = options.pruning?.budget.mostKept(of: all) ?? all
        let newlines = layout.rows.indices.filter { layout.rows[$0] == .newline }
        candidateCount = layout.candidates.count
        keptPatches = Array(0..<most)
        keptRows = (layout.candidates.prefix(most) + newlines.prefix(most)).sorted()
        unprunedRowCount = layout.rows.count
        lacksQuestion = false
    }
}
