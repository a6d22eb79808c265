// SPDX-License-Identifier: Apache-2.0

/// Where the rotary embedding places a row.
///
/// Text moves on along all three axes at once. A row of a picture has a place in its grid, for models whose heads are
/// turned by time, row and column (M-RoPE, arXiv 2409.12191). Which rows a row sees does not depend on it.
public struct Position: Sendable, Equatable {
    /// An axis that a pair of a head's numbers may be turned by.
    public enum Axis: Sendable {
        case time, row, column
    }

    /// Frames of a video; a picture is one.
    public let time: Int32
    /// From top to bottom.
    public let row: Int32
    /// From left to right.
    public let column: Int32

    /// The place of a cell of a grid.
    public init(time: Int32, row: Int32, column: Int32) {
        (self.time, self.row, self.column) = (time, row, column)
    }

    /// The place of text, and of rows that have no grid.
    public init(_ index: some BinaryInteger) {
        let index = Int32(index)
        self.init(time: index, row: index, column: index)
    }

    /// The place that comes some places of text later.
    public static func + (position: Position, distance: Int) -> Position {
        let distance = Int32(distance)
        return Position(
            time: position.time + distance, row: position.row + distance,
            column: position.column + distance)
    }

    subscript(axis: Axis) -> Int32 {
        switch axis {
        case .time: time
        case .row: row
        case .column: column
        }
    }
}

extension Position: ExpressibleByIntegerLiteral {
    /// The place of text.
    public init(integerLiteral index: Int32) { self.init(index) }
}
