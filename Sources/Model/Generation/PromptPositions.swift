// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// Where the rotary embedding places the rows of one prompt.
struct PromptPositions {
    /// The place of each row.
    let positions: [Position]  // [rows]
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
        let isPruned = layout.isPruned
        let originalEnd = layout.originalPositionCount + answer
        isCompact =
            isPruned && (mode == .compact || mode == .automatic && originalEnd > contextLength)
        positions =
            isCompact ? layout.compactPositions : layout.originalPositions
        count = isCompact ? layout.compactPositionCount : layout.originalPositionCount
        let needed = count + answer
        guard needed <= contextLength || !isPruned else {
            throw .positionsTooLarge(
                needed: needed, contextLength: contextLength,
                positions: isCompact ? .compact : .original)
        }
    }
}
