// SPDX-License-Identifier: Apache-2.0
import FileOutput
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

    /// Writes the SVG file.
    func write(to path: String) throws {
        try OutputFile.write(svg.utf8, to: FilePath(path))
    }

    var svg: String {
        let all = lines.flatMap(\.points)
        let mostKept = max(1, all.map(\.kept).max() ?? 1)
        let best = max(unpruned, all.map(\.score).max() ?? 0, 1)
        func x(_ kept: Double) -> Double { Self.left + kept / mostKept * Self.width }
        func y(_ score: Double) -> Double { Self.top + (1 - score / best) * Self.height }
        func format(_ value: Double) -> String { String(format: "%.1f", value) }
        func text(_ x: Double, _ y: Double, _ anchor: String, _ words: String) -> String {
            "<text x=\"\(format(x))\" y=\"\(format(y))\" text-anchor=\"\(anchor)\">\(words)</text>\n"
        }
        var body = (0...4).map { step in
            let score = best * Double(step) / 4
            return """
                <path d="M\(format(Self.left)) \(format(y(score)))h\(format(Self.width))" \
                stroke="#dddddd"/>
                """ + text(Self.left - 6, y(score) + 4, "end", format(score))
        }.joined()
        body += """
            <path d="M\(format(Self.left)) \(format(y(unpruned)))h\(format(Self.width))" \
            stroke="#444444" stroke-dasharray="4 3"/>
            """
        body += text(Self.left + 4, y(unpruned) - 4, "start", "unpruned")
        for kept in Set(all.map(\.kept)).sorted() {
            body += text(x(kept), Self.top + Self.height + 18, "middle", format(kept))
        }
        for (index, line) in lines.enumerated() {
            let colour = Self.colours[index % Self.colours.count]
            let path = line.points.map { "\(format(x($0.kept))),\(format(y($0.score)))" }
            body +=
                "<polyline points=\"\(path.joined(separator: " "))\" fill=\"none\" "
                + "stroke=\"\(colour)\" stroke-width=\"2\"/>\n"
            let place = Self.top + 14 + Double(index) * 18
            body +=
                "<rect x=\"\(format(Self.left + Self.width + 16))\" y=\"\(format(place - 9))\" "
                + "width=\"12\" height=\"12\" fill=\"\(colour)\"/>\n"
            body += text(Self.left + Self.width + 34, place + 2, "start", line.name)
        }
        body += text(
            Self.left + Self.width / 2, Self.top + Self.height + 38, "middle",
            "visual tokens that enter the decoder")
        return """
            <svg xmlns="http://www.w3.org/2000/svg" width="840" height="410" \
            font-family="sans-serif" font-size="12">
            <rect width="100%" height="100%" fill="white"/>
            \(body)</svg>

            """
    }
}
