// SPDX-License-Identifier: Apache-2.0

import Imaging

/// The part of a picture that each candidate of a selector sees.
///
/// A pixel belongs to the patch that contains its centre, so the regions of one grid share no pixels. The
/// neighbouring pixels that interpolation mixes in do not count.
public struct PatchRegions: Sendable, Equatable {
    /// The size of the picture.
    public let picture: PixelSize
    /// The candidates in the order of `PicturePlan.candidates`; each grid shows the whole picture.
    let grids: [PatchGrid]

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
