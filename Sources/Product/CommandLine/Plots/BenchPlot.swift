// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The times of `trimllava bench` as stacked bars, one per setting.
struct BenchPlot {
    private let rows: [BenchReport.Row]

    private static let parts: [(name: String, colour: String)] = [
        ("vision", "#4477aa"), ("select", "#ee6677"), ("prefill", "#228833"),
        ("decode", "#ccbb44"),
    ]
    private static let (barHeight, gap, labelWidth, barWidth) = (22.0, 10.0, 190.0, 560.0)

    init(_ rows: [BenchReport.Row]) { self.rows = rows }

    /// The drawing.
    var svg: SVG {
        let distance = Self.barHeight + Self.gap
        var svg = SVG(
            width: Int(Self.labelWidth + Self.barWidth) + 120,
            height: 60 + rows.count * Int(distance), fontSize: 13)
        for (index, part) in Self.parts.enumerated() {
            let x = Self.labelWidth + Double(index) * 100
            svg.rectangle(x, 16, width: 14, height: 14, fill: part.colour)
            svg.text(part.name, x + 20, 28)
        }
        let longest = rows.map(\.totalSeconds).max() ?? 1
        for (index, row) in rows.enumerated() {
            draw(row, at: 50 + Double(index) * distance, longest, in: &svg)
        }
        return svg
    }

    private func draw(
        _ row: BenchReport.Row, at y: Double, _ longest: Double, in svg: inout SVG
    ) {
        svg.text("\(row.selector) \(row.keep)", Self.labelWidth - 8, y + 16, .end)
        let times = [row.visionSeconds, row.selectSeconds, row.prefillSeconds, row.decodeSeconds]
        var x = Self.labelWidth
        for (time, part) in zip(times, Self.parts) {
            let width = time / longest * Self.barWidth
            svg.rectangle(x, y, width: width, height: Self.barHeight, fill: part.colour)
            x += width
        }
        svg.text(
            String(format: "%.2f s, %.2f×", row.totalSeconds, row.totalSpeedup), x + 6, y + 16)
    }
}
