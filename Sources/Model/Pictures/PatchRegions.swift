// SPDX-License-Identifier: Apache-2.0

import Imaging

/// The part of a picture that each candidate of a selector sees.
///
/// A pixel belongs to the patch that contains its centre, so the regions of one grid share no pixels. The
/// neighbouring pixels that interpolation mixes in do not count.
public struct PatchRegions: Sendable, Equatable {
    /// The size of the picture.
    public let picture: PixelSize
    /// The cells that candidates are, coarse ones first; each grid shows the whole picture.
    let grids: [PatchGrid]
    /// The cell of each candidate, counted over all grids; in the order of `PicturePlan.candidates`.
    private let cells: [Int]

    /// - Parameter cells: the cell of each candidate, counted row by row and grid by grid; nil where candidates have
    ///   the order of cells.
    init(picture: PixelSize, grids: [PatchGrid], cells: [Int]? = nil) {
        (self.picture, self.grids) = (picture, grids)
        self.cells = cells ?? Array(0..<grids.reduce(0) { $0 + $1.count })
    }

    /// The number of candidates.
    public var count: Int { cells.count }

    /// The region of each candidate in the picture's own pixels; empty if it contains no pixel.
    public var rectangles: [PixelRectangle] {
        let regions = grids.flatMap { $0.rectangles(onCopyOf: picture) }
        return cells.map { regions[$0] }
    }

    /// The cells of each grid that some candidates are: ascending, counted row by row.
    public func cells(of candidates: [Int]) -> [[Int]] {
        let chosen = candidates.map { cells[$0] }.sorted()
        var first = 0
        return grids.map { grid in
            defer { first += grid.count }
            return chosen.filter { (first..<first + grid.count).contains($0) }.map { $0 - first }
        }
    }

    /// Whether a candidate shows nothing but the padding around the picture.
    ///
    /// - Precondition: `candidate` is one of `0..<count`.
    public func isPadding(_ candidate: Int) -> Bool {
        var cell = cells[candidate]
        for grid in grids {
            if cell < grid.count { return grid.isPadding(cell) }
            cell -= grid.count
        }
        preconditionFailure("there are \(count) candidates")
    }
}

/// Candidates that lie in rows and columns on a picture, as cells.
public struct CandidateGrid: Sendable, Equatable {
    /// The left edge of the first column in pixels of the picture; negative where it begins with padding.
    public let x: Double
    /// The upper edge of the first row in pixels of the picture; negative where it begins with padding.
    public let y: Double
    /// From the left edge to the right one, in pixels of the picture.
    public let width: Double
    /// From the upper edge to the lower one, in pixels of the picture.
    public let height: Double
    /// Candidates of each row.
    public let columns: Int
    /// Rows of candidates.
    public let rows: Int

    /// The number of candidates.
    public var count: Int { columns * rows }
}

extension PatchRegions {
    /// The grids that the candidates are in: that of the whole picture, then that of its tiles together.
    public var candidateGrids: [CandidateGrid] {
        grids.map { grid in
            let horizontal = grid.placement.horizontal.extent(grid.columns)
            let vertical = grid.placement.vertical.extent(grid.rows)
            return CandidateGrid(
                x: horizontal.start, y: vertical.start, width: horizontal.length,
                height: vertical.length, columns: grid.columns.count, rows: grid.rows.count)
        }
    }
}

extension TileAxis {
    /// Where patches with these pixels of the window lie on the picture, in its pixels.
    fileprivate func extent(_ patches: [Range<Int>]) -> (start: Double, length: Double) {
        guard let first = patches.first, let last = patches.last else { return (0, 0) }
        let start = Double(window.lowerBound + first.lowerBound) * scale - Double(source.lowerBound)
        return (start, Double(last.upperBound - first.lowerBound) * scale)
    }
}

/// Patches in rows and columns, on one tile or on joined tiles.
struct PatchGrid: Sendable, Equatable {
    let placement: TilePlacement
    /// The pixels of each column of patches on the tiles.
    let columns: [Range<Int>]
    /// The pixels of each row of patches on the tiles.
    let rows: [Range<Int>]

    /// The number of patches.
    var count: Int { columns.count * rows.count }

    /// The region of each patch on a copy of the picture with the given size, row by row.
    func rectangles(onCopyOf size: PixelSize) -> [PixelRectangle] {
        func spans(_ patches: [Range<Int>], _ axis: TileAxis, _ length: Int) -> [Range<Int>] {
            patches.map { patch in
                let start = axis.position(ofEdge: patch.lowerBound, onLength: length)
                return start..<axis.position(ofEdge: patch.upperBound, onLength: length)
            }
        }
        let columns = spans(columns, placement.horizontal, size.width)
        let rows = spans(rows, placement.vertical, size.height)
        return rows.flatMap { row in columns.map { PixelRectangle(columns: $0, rows: row) } }
    }

    /// The shorter side of a patch in pixels of the picture, possibly less than one.
    var shortestSide: Double {
        func shortest(_ patches: [Range<Int>], _ axis: TileAxis) -> Double {
            axis.scale * Double(patches.reduce(.max) { min($0, $1.count) })
        }
        return min(shortest(columns, placement.horizontal), shortest(rows, placement.vertical))
    }

    /// Whether a patch shows nothing of the picture.
    func isPadding(_ patch: Int) -> Bool {
        let (row, column) = patch.quotientAndRemainder(dividingBy: columns.count)
        return placement.horizontal.isBesidePicture(columns[column])
            || placement.vertical.isBesidePicture(rows[row])
    }
}
