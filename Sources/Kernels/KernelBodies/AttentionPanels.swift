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

extension HeadRows {
    @inline(__always)
    private func halves(_ token: Int, _ column: Int) -> UnsafePointer<UInt16> {
        start.assumingMemoryBound(to: UInt16.self) + (token &* stride &+ column)
    }
    @inline(__always)
    private func floats(_ token: Int, _ column: Int) -> UnsafePointer<Float> {
        start.assumingMemoryBound(to: Float.self) + (token &* stride &+ column)
    }

    /// Writes the rows as columns of panels: `[padded width, tokens]`.
    ///
    /// Columns beyond `tokens` get numbers of the last token.
    @inline(__always)
    func storeColumns(_ target: UnsafeMutablePointer<Float>, tokens: Int, width: Int) {
        let panels = Panels(columns: tokens)
        let rows = AttentionKernels.paddedWidth(width)
        forEachVector(tokens) { token, rest in
            let panel = target + panels.offset(token, rows: rows)
            let stride = panels.width(token)
            forEachVector(width) { column, lanes in
                let place = panel + column &* stride
                if areHalves {
                    transpose_halves(
                        halves(token, column), self.stride, rest, lanes, place, stride)
                } else {
                    transpose_floats(
                        floats(token, column), self.stride, rest, lanes, place, stride)
                }
            }
        }
    }

    /// Writes the rows to panels of columns: `[tokens, padded width]`.
    ///
    /// Columns beyond `width` get zeros.
    @inline(__always)
    func storeRows(_ target: UnsafeMutablePointer<Float>, tokens: Int, width: Int) {
        let panels = Panels(columns: width)
        forEachVector(width) { column, lanes in
            let panel = target + panels.offset(column, rows: tokens)
            let stride = panels.width(column)
            for token in 0..<tokens {
                let numbers =
                    areHalves
                    ? floats_from_halves(.load(halves(token, column), lanes))
                    : .load(floats(token, column), lanes)
                numbers.store(panel + token &* stride, lane_count)
            }
        }
    }
}
