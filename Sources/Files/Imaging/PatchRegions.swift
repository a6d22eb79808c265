// SPDX-License-Identifier: Apache-2.0

/// The part of a picture that each candidate of a selector sees.
///
/// The candidates are, in this order: the patches of the base tile, row by row; then, for
/// `TileLayout.anyres`, the patches of the grid that are kept after unpadding, row by row. Newlines are not
/// candidates.
///
/// A pixel belongs to the patch that contains its centre, so the regions of one grid share no pixels. The
/// neighbouring pixels that interpolation mixes in do not count.
public struct PatchRegions: Sendable, Equatable {
    /// The size of the picture.
    public let picture: PixelSize
    /// The base tile's patches and, for `TileLayout.anyres`, the grid's.
    let grids: [PatchGrid]

    /// The regions on a picture of the given size.
    ///
    /// - Precondition: both sides are positive.
    public init(of picture: PixelSize, preprocessor: CLIPPreprocessor) {
        self.picture = picture
        let geometry = preprocessor.geometry(width: picture.width, height: picture.height)
        func grid(_ placement: TilePlacement, columns: Range<Int>, rows: Range<Int>) -> PatchGrid {
            func start(of patch: Int) -> Int {
                let (tile, inTile) = patch.quotientAndRemainder(
                    dividingBy: geometry.patchesPerSide)
                return tile * preprocessor.tileSide + inTile * preprocessor.patchSide
            }
            return PatchGrid(
                placement: placement, patchSide: preprocessor.patchSide,
                columns: columns.map(start), rows: rows.map(start))
        }
        let tile = 0..<geometry.patchesPerSide
        let base: PatchGrid? = grid(
            preprocessor.baseTilePlacement(on: picture), columns: tile, rows: tile)
        let joined = preprocessor.gridPlacement(on: picture).map {
            grid($0, columns: geometry.keptColumns, rows: geometry.keptRows)
        }
        grids = [base, joined].compactMap { $0 }
    }

    /// The number of candidates.
    public var count: Int { grids.reduce(0) { $0 + $1.count } }

    /// The region of each candidate in the picture's own pixels; empty if it contains no pixel.
    public var rectangles: [PixelRectangle] {
        grids.flatMap { $0.rectangles(onCopyOf: picture) }
    }

    /// Whether a candidate shows nothing but the padding around the picture.
    ///
    /// - Precondition: `candidate` is one of `0..<count`.
    public func isPadding(_ candidate: Int) -> Bool {
        var candidate = candidate
        for grid in grids {
            if candidate < grid.count { return grid.isPadding(candidate) }
            candidate -= grid.count
        }
        preconditionFailure("there are \(count) candidates")
    }
}

/// Candidates that lie in rows and columns on a picture.
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
    /// The grids that the candidates are in, in their order: the base tile's, then that of the other tiles together.
    public var candidateGrids: [CandidateGrid] {
        grids.map { grid in
            let horizontal = grid.placement.horizontal.extent(grid.columns, side: grid.patchSide)
            let vertical = grid.placement.vertical.extent(grid.rows, side: grid.patchSide)
            return CandidateGrid(
                x: horizontal.start, y: vertical.start, width: horizontal.length,
                height: vertical.length, columns: grid.columns.count, rows: grid.rows.count)
        }
    }
}

extension TileAxis {
    /// Where patches that begin at these pixels of the window lie on the picture, in its pixels.
    fileprivate func extent(_ starts: [Int], side: Int) -> (start: Double, length: Double) {
        guard let first = starts.first, let last = starts.last else { return (0, 0) }
        let start = Double(window.lowerBound + first) * scale - Double(source.lowerBound)
        return (start, Double(last + side - first) * scale)
    }
}

/// A rectangle of pixels; no pixel when one of the ranges is empty.
public struct PixelRectangle: Sendable, Hashable {
    /// Pixels of each row, from the left.
    public let columns: Range<Int>
    /// Rows, from the top.
    public let rows: Range<Int>

    /// The pixels in the given columns and rows.
    public init(columns: Range<Int>, rows: Range<Int>) {
        self.columns = columns
        self.rows = rows
    }

    /// Whether the rectangle contains no pixel.
    public var isEmpty: Bool { columns.isEmpty || rows.isEmpty }
}

/// Patches in rows and columns, on one tile or on joined tiles.
struct PatchGrid: Sendable, Equatable {
    let placement: TilePlacement
    /// The side of a patch in pixels of the tiles.
    let patchSide: Int
    /// The first pixel of each column of patches, in pixels of the tiles.
    let columns: [Int]
    /// The first pixel of each row of patches, in pixels of the tiles.
    let rows: [Int]

    /// The number of patches.
    var count: Int { columns.count * rows.count }

    /// The region of each patch on a copy of the picture with the given size, row by row.
    func rectangles(onCopyOf size: PixelSize) -> [PixelRectangle] {
        func spans(_ patches: [Int], _ axis: TileAxis, _ length: Int) -> [Range<Int>] {
            patches.map { patch in
                let start = axis.position(ofEdge: patch, onLength: length)
                return start..<axis.position(ofEdge: patch + patchSide, onLength: length)
            }
        }
        let columns = spans(columns, placement.horizontal, size.width)
        let rows = spans(rows, placement.vertical, size.height)
        return rows.flatMap { row in columns.map { PixelRectangle(columns: $0, rows: row) } }
    }

    /// The shorter side of a patch in pixels of the picture, possibly less than one.
    var shortestSide: Double {
        let scale = min(placement.horizontal.scale, placement.vertical.scale)
        return scale * Double(patchSide)
    }

    /// Whether a patch shows nothing of the picture.
    func isPadding(_ patch: Int) -> Bool {
        let (row, column) = patch.quotientAndRemainder(dividingBy: columns.count)
        func span(_ start: Int) -> Range<Int> { start..<start + patchSide }
        return placement.horizontal.isBesidePicture(span(columns[column]))
            || placement.vertical.isBesidePicture(span(rows[row]))
    }
}
