// SPDX-License-Identifier: Apache-2.0

/// Where the rotary embedding places the rows of one prompt.
struct PromptPositions {
    /// Relative to the prompt's first row.
    let offsets: [Int]  // [rows]
    /// Positions that the prompt takes up.
    let count: Int
    /// Whether rows are placed one after the other although some were pruned.
    let isCompact: Bool

    /// Original positions, unless compact ones are asked for, or needed to stay within the trained
    /// context.
    ///
    /// - Parameters:
    ///   - answer: positions that the answer may take.
    /// - Throws: `GenerationError.positionsTooLarge`.
    init(
        _ layout: PromptLayout, _ mode: PruningOptions.Positions, answer: Int,
        contextLength: Int
    ) throws(GenerationError) {
        let isPruned = layout.rowCount < layout.originalPositionCount
        let originalEnd = layout.originalPositionCount + answer
        isCompact =
            isPruned && (mode == .compact || mode == .automatic && originalEnd > contextLength)
        offsets = isCompact ? Array(0..<layout.rowCount) : layout.originalPositions
        count = isCompact ? layout.rowCount : layout.originalPositionCount
        let needed = count + answer
        guard needed <= contextLength || !isPruned else {
            throw .positionsTooLarge(
                needed: needed, contextLength: contextLength,
                positions: isCompact ? .compact : .original)
        }
    }
}
