// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Scores over kept visual tokens, with a line per selector: of the only task or of the mean over tasks.
struct EvalPlot {
    private struct Line {
        let name: String
        let points: [(kept: Double, score: Double)]
    }

    private let lines: [Line]
    private let unpruned: Double

    private static let colours = [
        "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#000000",
        "#e69f00", "#56b4e9",
    ]
    private static let (width, height, left, top) = (560.0, 320.0, 60.0, 30.0)

    init(_ rows: [EvalReport.Row]) {
        let tasks = Set(rows.map(\.task))
        let shown = rows.filter { tasks.count == 1 || $0.task == nil }
        let first = shown.first?.setting
        unpruned = shown.first?.score ?? 0
        var names: [String] = []
        var points: [String: [(kept: Double, score: Double)]] = [:]
        for row in shown where row.setting != first {
            // A setting's name has a selector, a budget and sometimes positions.
            var words = row.setting.split(separator: " ").map(String.init)
            if words.count > 1 { words.remove(at: 1) }
            let name = words.joined(separator: " ")
            if points[name] == nil { names.append(name) }
            points[name, default: []].append((row.keptTokens, row.score))
        }
        lines = names.map { name in
            Line(name: name, points: (points[name] ?? []).sorted { $0.kept < $1.kept })
        }
    }

    /// The distance of the lines of an axis from zero to `end`, of which there are five to eleven: 1, 2 or 5 times a
    /// power of ten.
    static func step(to end: Double) -> Double {
        let power = pow(10, floor(log10(end)) - 1)
        return [1, 2, 5, 10].first { end / ($0 * power) < 11 }.map { $0 * power } ?? end
    }

    /// The drawing.
    var svg: SVG {
        let all = lines.flatMap(\.points)
        let mostKept = max(1, all.map(\.kept).max() ?? 1)
        let best = max(unpruned, all.map(\.score).max() ?? 0, 1)
        func x(_ kept: Double) -> Double { Self.left + kept / mostKept * Self.width }
        func y(_ score: Double) -> Double { Self.top + (1 - score / best) * Self.height }
        func format(_ value: Double) -> String {
            String(format: value == value.rounded() ? "%.0f" : "%.1f", value)
        }
        let (left, right, bottom) = (Self.left, Self.left + Self.width, Self.top + Self.height)
        var svg = SVG(width: 840, height: 410, fontSize: 12)
        for score in stride(from: 0, through: best, by: Self.step(to: best)) {
            svg.line([(left, y(score)), (right, y(score))], colour: "#dddddd")
            svg.text(format(score), left - 6, y(score) + 4, .end)
        }
        svg.line([(left, y(unpruned)), (right, y(unpruned))], colour: "#444444", isDashed: true)
        svg.text("unpruned", left + 4, y(unpruned) - 4)
        for kept in Set(all.map(\.kept)).sorted() {
            svg.text(format(kept), x(kept), bottom + 18, .middle)
        }
        for (index, line) in lines.enumerated() {
            let colour = Self.colours[index % Self.colours.count]
            svg.line(line.points.map { (x($0.kept), y($0.score)) }, colour: colour, width: 2)
            for point in line.points {
                svg.rectangle(
                    x(point.kept) - 3, y(point.score) - 3, width: 6, height: 6, fill: colour)
            }
            let place = Self.top + 14 + Double(index) * 18
            svg.rectangle(right + 16, place - 9, width: 12, height: 12, fill: colour)
            svg.text(line.name, right + 34, place + 2)
        }
        svg.text(
            "visual tokens that enter the decoder", left + Self.width / 2, bottom + 38, .middle)
        return svg
    }
}
