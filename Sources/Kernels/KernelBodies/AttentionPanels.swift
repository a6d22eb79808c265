// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps
internal import KernelInterface

/// A matrix cut into panels of `FloatTile.vectors` vectors of columns, then into panels of one.
struct Panels {
    let columns: Int

    @inline(__always) private static var wideColumns: Int { FloatTile.vectors &* lane_count }

    /// Calls `body` with the first column of every panel that starts below `end`.
    @inline(__always)
    func forEach(upTo end: Int, _ body: (_ column: Int, _ isWide: Bool) -> Void) {
        var column = 0
        while column < end {
            let isWide = self.isWide(column)
            body(column, isWide)
            column &+= width(column)
        }
    }

    /// Whether the panel of some column is a wide one.
    @inline(__always)
    func isWide(_ column: Int) -> Bool {
        let whole = (columns &+ lane_count &- 1) / lane_count &* lane_count
        return column < whole / Self.wideColumns &* Self.wideColumns
    }

    /// Numbers in a row of the panel of some column.
    @inline(__always)
    func width(_ column: Int) -> Int { isWide(column) ? Self.wideColumns : lane_count }

    /// Where a column's numbers start, in a matrix of `rows` rows.
    @inline(__always)
    func offset(_ column: Int, rows: Int) -> Int {
        let wide = column / Self.wideColumns &* Self.wideColumns
        let place = isWide(column) ? column &- wide : column % lane_count
        return (column &- place) &* rows &+ place
    }
}

extension HeadTokens {
    /// Widens keys as columns of panels: `[padded width, tokens]`.
    ///
    /// Columns beyond `tokens` get any numbers.
    @inline(__always)
    func storeColumns(_ target: UnsafeMutablePointer<Float>, tokens: Int, width: Int) {
        let panels = Panels(columns: tokens)
        let rows = AttentionKernels.paddedWidth(width)
        forEachVector(tokens) { token, rest in
            let panel = target + panels.offset(token, rows: rows)
            let stride = panels.width(token)
            switch self {
            case .rows(let source):
                forEachVector(width) { column, lanes in
                    transpose_floats(
                        source.start + (token &* source.stride &+ column), source.stride, rest,
                        lanes, panel + column &* stride, stride)
                }
            case .pages(let pages):
                pages.storeColumns(panel, stride, token: token, width: width)
            }
        }
    }

    /// Widens values to panels of columns: `[tokens, padded width]`.
    ///
    /// Columns beyond `width` get zeros.
    @inline(__always)
    func storeRows(_ target: UnsafeMutablePointer<Float>, tokens: Int, width: Int) {
        let panels = Panels(columns: width)
        forEachVector(width) { column, lanes in
            let panel = target + panels.offset(column, rows: tokens)
            let stride = panels.width(column)
            switch self {
            case .rows(let source):
                for token in 0..<tokens {
                    FloatVector.load(source.start + (token &* source.stride &+ column), lanes)
                        .store(panel + token &* stride, lane_count)
                }
            case .pages(let pages):
                pages.storeRows(
                    panel, stride, tokens: tokens, column: column, lanes: lanes, width: width)
            }
        }
    }

    /// The pages, if so few queries read them that a copy would not pay.
    @inline(__always)
    func halfPages(forQueries count: Int) -> HeadPages? {
        guard case .pages(let pages) = self, pages.number == .half, count <= FloatTile.rows else {
            return nil
        }
        return pages
    }
}
