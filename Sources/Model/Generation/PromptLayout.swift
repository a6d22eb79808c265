// SPDX-License-Identifier: Apache-2.0
import Families
import Pictures
import TensorOps
import Tokenization

/// The rows that a prompt becomes.
struct PromptLayout {
    /// A picture of a prompt.
    struct Picture {
        /// The places of the rows that enter the decoder, for a picture at the prompt's start.
        let positions: [Position]  // [kept rows]
        /// The tokens of the picture's own rows of text, `visualToken` on the others.
        let tokens: [TokenID]  // [kept rows]
        /// How far the positions of what follows move on.
        let positionSpan: Int
        /// Whether the rows have a row and a column as position.
        var isOnGrid = false
        /// Rows of the unpruned picture.
        let unprunedRowCount: Int

        /// The places without gaps and how far the positions of what follows move on: rows of a grid stay where they
        /// are, and what follows comes after the last of them.
        var compact: (positions: [Position], span: Int) {
            guard isOnGrid else {
                return (positions.indices.map { Position($0) }, positions.count)
            }
            let last = positions.reduce(-1) { max($0, $1.time, $1.row, $1.column) }
            return (positions, Int(last) + 1)
        }
    }

    /// What stands on visual rows instead of a token.
    static let visualToken: TokenID = -1

    /// The token of each row.
    let tokens: [TokenID]  // [rows]
    /// Where each row would be without pruning.
    let originalPositions: [Position]  // [rows]
    /// Positions that the prompt takes up without pruning.
    let originalPositionCount: Int
    /// Where each row is if pruned rows leave no gaps.
    let compactPositions: [Position]  // [rows]
    /// Positions that the prompt then takes up.
    let compactPositionCount: Int
    /// Whether rows are left out.
    let isPruned: Bool
    /// Rows of each picture, in the order of the pictures.
    let pictureRows: [Range<Int>]

    var rowCount: Int { tokens.count }
    /// The tokens before the first picture, whose positions are those of the rows.
    var start: ArraySlice<TokenID> {
        tokens.prefix(pictureRows.reduce(tokens.count) { min($0, $1.lowerBound) })
    }
    var visualRowCount: Int { pictureRows.reduce(0) { $0 + $1.count } }

    /// Lays out a prompt that refers to each of the pictures once.
    ///
    /// - Throws: `GenerationError.pictureMismatch`, `GenerationError.emptyPrompt`.
    init(_ prompt: [PromptPiece], _ pictures: [Picture]) throws(GenerationError) {
        var tokens: [TokenID] = []
        var (positions, compact) = ([Position](), [Position]())
        var (nextPosition, nextCompact) = (0, 0)
        var rows = [Range<Int>?](repeating: nil, count: pictures.count)
        let references = prompt.count { if case .picture = $0 { true } else { false } }
        let mismatch = GenerationError.pictureMismatch(
            inPrompt: references, given: pictures.count)
        for piece in prompt {
            switch piece {
            case .tokens(let more):
                tokens += more
                positions += more.indices.map { Position(nextPosition + $0) }
                compact += more.indices.map { Position(nextCompact + $0) }
                nextPosition += more.count
                nextCompact += more.count
            case .picture(let index):
                guard rows.indices.contains(index), rows[index] == nil else { throw mismatch }
                let picture = pictures[index]
                rows[index] = tokens.count..<(tokens.count + picture.positions.count)
                tokens += picture.tokens
                positions += picture.positions.map { $0 + nextPosition }
                nextPosition += picture.positionSpan
                let dense = picture.compact
                compact += dense.positions.map { $0 + nextCompact }
                nextCompact += dense.span
            }
        }
        pictureRows = rows.compactMap(\.self)
        guard pictureRows.count == pictures.count else { throw mismatch }
        guard !tokens.isEmpty else { throw .emptyPrompt }
        self.tokens = tokens
        originalPositions = positions
        originalPositionCount = nextPosition
        (compactPositions, compactPositionCount) = (compact, nextCompact)
        isPruned = pictures.contains { $0.positions.count < $0.unprunedRowCount }
    }
}

extension PromptLayout.Picture {
    /// A picture of which these rows enter the decoder.
    init(_ plan: PicturePlan, rows: [Int]) {
        positions = plan.positions(ofRows: rows)
        tokens = rows.map { row in
            if case .token(let token) = plan.rows[row] { token } else { PromptLayout.visualToken }
        }
        positionSpan = plan.positionSpan
        isOnGrid = plan.isOnGrid
        unprunedRowCount = plan.rows.count
    }

    /// A picture that takes the most rows that the options allow, for checks before it is encoded.
    init(largest plan: PicturePlan, _ options: GenerationOptions) {
        self.init(plan, rows: Array(0..<plan.mostRows(within: options.pruning?.budget)))
    }
}

/// A prompt's rows and their positions, known to fit.
struct PromptPlan {
    let layout: PromptLayout
    let placed: PromptPositions

    /// Plans a prompt.
    ///
    /// - Throws: `GenerationError`.
    init(
        _ prompt: [PromptPiece], _ pictures: [PromptLayout.Picture], _ options: GenerationOptions,
        _ model: LLaVAModel
    ) throws(GenerationError) {
        layout = try PromptLayout(prompt, pictures)
        // One row is left for the answer's first token, or there would be no second.
        guard layout.rowCount < model.context else {
            throw .promptTooLong(
                rows: layout.rowCount, visualRows: layout.visualRowCount, used: 0,
                context: model.context)
        }
        placed = try PromptPositions(
            layout, options.pruning?.positions ?? .original,
            answer: min(options.maxNewTokens, model.context - layout.rowCount),
            contextLength: model.decoder.config.contextLength)
    }
}
