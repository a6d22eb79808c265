// SPDX-License-Identifier: Apache-2.0
import Imaging
import TensorOps
import TokenPruning

/// What a picture becomes in a prompt, known from its size alone.
///
/// Its tiles go through the vision tower, which makes a cell of every patch, or group of patches, of a tile. Its rows
/// are what the decoder reads: cells, and rows that belong to no place of the picture.
public struct PicturePlan: Sendable, Equatable {
    /// The grid of cells of one tile.
    public struct Tile: Sendable, Equatable {
        /// Cells from left to right.
        public let columns: Int
        /// Cells from top to bottom.
        public let rows: Int

        /// All cells.
        public var cellCount: Int { columns * rows }
    }

    /// What a row is.
    public enum Row: Sendable, Equatable {
        /// A cell of a tile, counted row by row; of a picture with grids that shrink, the first tiles are whole ones,
        /// and each of the others is such a grid.
        case cell(tile: Int, index: Int)
        /// The end of a line of cells, a row that the model learned.
        case newline
        /// A token of the text model that belongs to the picture.
        case token(Int32)
    }

    /// Rows that only stand beside cells: they stay if any of the cells does.
    private struct Companions: Sendable, Equatable {
        /// Where the cells are among the rows.
        let cells: Range<Int>
        /// The companions, indices into the rows.
        let rows: Range<Int>
    }

    /// The tiles in the order in which they are encoded.
    public let tiles: [Tile]
    /// Tiles before those whose cells become fewer.
    let wholeTiles: Int
    /// How the cells of the other tiles become fewer, where they would be too many; empty where all tiles are whole.
    let shrunkGrids: [ShrunkGrid]
    /// The rows of the unpruned picture, in the order in which the decoder reads them.
    public private(set) var rows: [Row] = []
    /// The places of the cells among the rows: the candidates of selection.
    public private(set) var candidates: [Int] = []
    /// The places of the rows; empty where they come one after the other, as text.
    private var places: [Position] = []
    private var span = 0
    /// The size at which the model sees a picture that has more pixels than it may have; nil for any other picture.
    public internal(set) var seenSize: PixelSize?
    /// All rows that are no cells.
    private var companions: [Companions] = []

    /// A plan without rows, all of whose tiles are whole.
    init(tiles: [Tile]) { self.init(tiles: tiles, wholeTiles: tiles.count, shrunkGrids: []) }

    /// A plan without rows.
    init(tiles: [Tile], wholeTiles: Int, shrunkGrids: [ShrunkGrid]) {
        (self.tiles, self.wholeTiles, self.shrunkGrids) = (tiles, wholeTiles, shrunkGrids)
    }

    /// Adds cells.
    mutating func append(_ cells: [Row]) {
        candidates += rows.count..<(rows.count + cells.count)
        rows += cells
    }

    /// Adds rows that stay if any of the cells does that are in `range` by the end.
    mutating func append(_ added: [Row], besideCellsIn range: Range<Int>) {
        companions.append(
            Companions(cells: range, rows: rows.count..<(rows.count + added.count)))
        rows += added
    }

    /// Adds cells and their newline.
    mutating func append(line cells: [Row]) {
        let line = rows.count..<(rows.count + cells.count)
        append(cells)
        append([.newline], besideCellsIn: line)
    }

    /// The grids of cells that rows are taken from: those of whole tiles, and those that others became.
    private var grids: [Tile] {
        tiles[..<wholeTiles] + shrunkGrids.map { Tile(columns: $0.columns, rows: $0.rows) }
    }

    /// Cells that rows are taken from.
    public var cellCount: Int { grids.reduce(0) { $0 + $1.cellCount } }
    /// Cells of the tiles as they are encoded.
    var encodedCellCount: Int { tiles.reduce(0) { $0 + $1.cellCount } }
    /// Cells in memory when the last tile is encoded: where there would be too many, also those that they become.
    package var mostCellCount: Int { encodedCellCount + (shrunkGrids.isEmpty ? 0 : cellCount) }

    /// The rows that the picture's encoding gives, all but tokens: ascending indices into `rows`.
    package var visualRows: [Int] {
        rows.indices.filter { if case .token = rows[$0] { false } else { true } }
    }

    /// Gives all rows places of their own.
    ///
    /// - Parameters:
    ///   - places: those of a picture at a prompt's start.
    ///   - span: how far the positions of what follows move on.
    mutating func place(rows places: [Position], span: Int) {
        precondition(places.count == rows.count)
        (self.places, self.span) = (places, span)
    }

    /// Whether rows have a row and a column as position.
    package var isOnGrid: Bool { !places.isEmpty }

    /// How far the positions of what follows move on, pruned or not.
    public var positionSpan: Int { isOnGrid ? span : rows.count }

    /// The places of some rows, for a picture at a prompt's start.
    ///
    /// - Parameter chosen: indices into `rows`.
    package func positions(ofRows chosen: [Int]) -> [Position] {
        chosen.map { isOnGrid ? places[$0] : Position($0) }
    }

    /// The cell of each candidate, counted over all tiles.
    package var candidateCells: [Int] {
        let firstCells = firstCells
        return candidates.compactMap { cell(rows[$0], firstCells) }
    }

    /// Where each candidate lies; tiles whose cells became one grid are one tile.
    package var candidatePlaces: [TokenPlace] {
        let grids = grids
        return candidates.compactMap { candidate in
            guard case .cell(let tile, let index) = rows[candidate] else { return nil }
            let (row, column) = index.quotientAndRemainder(dividingBy: grids[tile].columns)
            return TokenPlace(tile: tile, row: row, column: column)
        }
    }

    /// The cell of each of some rows, counted over all tiles; nil for other rows.
    func cells(ofRows chosen: [Int]) -> [Int?] {
        let firstCells = firstCells
        return chosen.map { cell(rows[$0], firstCells) }
    }

    private func cell(_ row: Row, _ firstCells: [Int]) -> Int? {
        if case .cell(let tile, let index) = row { firstCells[tile] + index } else { nil }
    }

    /// The first cell of each tile, counted over all tiles.
    private var firstCells: [Int] {
        var next = 0
        return grids.map { tile in
            defer { next += tile.cellCount }
            return next
        }
    }

    /// The rows that stay when only some candidates are kept: their own, and those beside them.
    ///
    /// - Parameter kept: indices into `candidates`.
    /// - Returns: ascending indices into `rows`.
    package func rows(keeping kept: [Int]) -> [Int] {
        let cells = kept.map { candidates[$0] }
        let beside = companions.filter { group in cells.contains(where: group.cells.contains) }
        return (cells + beside.flatMap(\.rows)).sorted()
    }

    /// The most rows that the picture may take: every kept cell may bring others along.
    ///
    /// - Parameter budget: nil for a picture that is not pruned.
    package func mostRows(within budget: KeepBudget?) -> Int {
        guard let budget else { return rows.count }
        let cells = budget.mostKept(of: candidates.count)
        let groups = companions.map(\.rows.count).sorted(by: >)
        return cells + groups.prefix(cells * mostCompanionsOfCell).reduce(0, +)
    }

    /// The most groups of companions that one cell has.
    private var mostCompanionsOfCell: Int {
        var changes = [Int](repeating: 0, count: rows.count + 1)
        for group in companions {
            changes[group.cells.lowerBound] += 1
            changes[group.cells.upperBound] -= 1
        }
        var (depth, most) = (0, 0)
        for change in changes {
            depth += change
            most = max(most, depth)
        }
        return most
    }
}

extension Sequence where Element == PicturePlan {
    /// The most rows that any of the pictures may take.
    ///
    /// - Parameter budget: nil for pictures that are not pruned.
    package func mostRows(within budget: KeepBudget?) -> Int {
        reduce(0) { Swift.max($0, $1.mostRows(within: budget)) }
    }
}
