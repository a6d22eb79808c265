// SPDX-License-Identifier: Apache-2.0
import Decoder
import TensorOps
import Tokenization

/// Rows of a sequence on their way to the decoder.
struct PendingRows {
    private var tokens: [TokenID] = []  // [rows], PromptLayout.visualToken on visual rows
    private var positions: [Position] = []  // [rows]
    private var pictures: [(rows: Range<Int>, embeddings: Activations)] = []
    /// Rows that have gone.
    private var done = 0
    /// The position after the last row.
    private(set) var endPosition = 0

    /// Rows that are left.
    var count: Int { tokens.count - done }
    /// Adds one row of text; memory is kept from token to token.
    mutating func append(_ token: TokenID, at index: Int) {
        if count == 0 {
            tokens.removeAll(keepingCapacity: true)
            positions.removeAll(keepingCapacity: true)
            pictures.removeAll()
            done = 0
        }
        tokens.append(token)
        positions.append(Position(index))
        endPosition = index + 1
    }

    /// Adds a prompt, its pictures' rows included.
    mutating func append(
        _ plan: PromptPlan, _ visual: [SelectedPicture]
    ) {
        let (layout, placed) = (plan.layout, plan.placed)
        for (rows, picture) in zip(layout.pictureRows, visual) {
            let range = (tokens.count + rows.lowerBound)..<(tokens.count + rows.upperBound)
            pictures.append((range, picture.rows))
        }
        tokens += layout.tokens
        positions += placed.positions
        endPosition = placed.count
    }

    /// Leaves out the first rows, which the sequence has already.
    mutating func skip(_ count: Int) { done += count }

    /// Moves the next rows to a batch, as the continuation of a sequence.
    mutating func move(
        _ count: Int, to batch: DecoderBatch, _ cache: KeyValueCache, _ decoder: Decoder
    ) {
        let range = done..<(done + count)
        let rows = batch.append(positions: positions[range], to: cache)
        for (row, index) in zip(rows, range) where tokens[index] != PromptLayout.visualToken {
            decoder.embed(tokens[index], into: batch.hidden.row(row))
        }
        for (visual, embeddings) in pictures {
            for index in visual.clamped(to: range) where tokens[index] == PromptLayout.visualToken {
                batch.write(
                    embeddings, row: index - visual.lowerBound,
                    to: rows.lowerBound + index - done)
            }
        }
        done += count
    }

    /// Takes rows back that a batch did not run.
    mutating func takeBack(_ count: Int) { done -= count }

    /// What a recorder keeps of the rows that are left, without the first ones.
    ///
    /// - Parameter onGrid: whether the decoder tells rows apart by their row and column.
    func record(_ recorder: StageRecorder?, from first: Int, onGrid: Bool) {
        let rows = (done + first)...
        recorder?.update {
            $0.add(tokens: Array(tokens[rows]), positions: Array(positions[rows]), onGrid: onGrid)
        }
    }
}
