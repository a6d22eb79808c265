// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Prints a table with its first column aligned to the left and the others to the right.
func printTable(_ rows: [[String]]) {
    let columns = rows.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in
        rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    for row in rows {
        let cells = zip(row, widths).enumerated().map { column, cell in
            let padding = String(repeating: " ", count: cell.1 - cell.0.count)
            return column == 0 ? cell.0 + padding : padding + cell.0
        }
        print(cells.joined(separator: "   "))
    }
    print()
}

/// A number in decimal notation, rounded to `digits` after the point.
func decimal(_ value: Double, digits: Int = 1) -> String {
    String(format: "%.\(digits)f", value)
}
