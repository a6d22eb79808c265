// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation

/// The times of `trimllava bench` as stacked bars, one per setting.
struct BenchPlot {
    private let rows: [BenchReport.Row]

    private static let parts: [(name: String, colour: String)] = [
        ("vision", "#4477aa"), ("select", "#ee6677"), ("prefill", "#228833"),
        ("decode", "#ccbb44"),
    ]
    private static let (barHeight, gap, labelWidth, barWidth) = (22, 10, 190, 560)

    init(_ rows: [BenchReport.Row]) { self.rows = rows }

    /// Writes the SVG file.
    func write(to path: String) throws {
        try OutputFile.write(svg.utf8, to: FilePath(path))
    }

    var svg: String {
        let longest = rows.map(\.totalSeconds).max() ?? 1
        let height = 60 + rows.count * (Self.barHeight + Self.gap)
        let width = Self.labelWidth + Self.barWidth + 120
        let bars = rows.enumerated().map {
            bar($1, at: 50 + $0 * (Self.barHeight + Self.gap), longest)
        }
        return """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" \
            font-family="sans-serif" font-size="13">
            <rect width="100%" height="100%" fill="white"/>
            \(legend)\(bars.joined())</svg>

            """
    }

    private var legend: String {
        Self.parts.enumerated().map { index, part in
            let x = Self.labelWidth + index * 100
            return """
                <rect x="\(x)" y="16" width="14" height="14" fill="\(part.colour)"/>\
                <text x="\(x + 20)" y="28">\(part.name)</text>

                """
        }.joined()
    }

    private func bar(_ row: BenchReport.Row, at y: Int, _ longest: Double) -> String {
        let times = [
            row.visionSeconds, row.selectSeconds, row.prefillSeconds, row.decodeSeconds,
        ]
        var x = Double(Self.labelWidth)
        var text = """
            <text x="\(Self.labelWidth - 8)" y="\(y + 16)" text-anchor="end">\
            \(row.selector) \(row.keep)</text>

            """
        for (time, part) in zip(times, Self.parts) {
            let width = time / longest * Double(Self.barWidth)
            text += String(
                format: "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%@\"/>\n", x,
                y, width, Self.barHeight, part.colour)
            x += width
        }
        let label = String(format: "%.2f s, %.2f×", row.totalSeconds, row.totalSpeedup)
        return text + String(format: "<text x=\"%.1f\" y=\"%d\">%@</text>\n", x + 6, y + 16, label)
    }
}
