// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation

/// A drawing of rectangles, lines and texts, as an SVG file.
struct SVG {
    enum Anchor: String { case start, middle, end }

    let width: Int
    let height: Int
    let fontSize: Int
    private var body = ""

    /// A white sheet.
    init(width: Int, height: Int, fontSize: Int) {
        self.width = width
        self.height = height
        self.fontSize = fontSize
    }

    /// A filled rectangle.
    mutating func rectangle(
        _ x: Double, _ y: Double, width: Double, height: Double, fill: String
    ) {
        body += """
            <rect x="\(Self.text(x))" y="\(Self.text(y))" width="\(Self.text(width))" \
            height="\(Self.text(height))" fill="\(fill)"/>

            """
    }

    /// A line through points.
    mutating func line(
        _ points: [(x: Double, y: Double)], colour: String, width: Double = 1,
        isDashed: Bool = false
    ) {
        let path = points.map { "\(Self.text($0.x)),\(Self.text($0.y))" }.joined(separator: " ")
        body += """
            <polyline points="\(path)" fill="none" stroke="\(colour)" \
            stroke-width="\(Self.text(width))"\(isDashed ? " stroke-dasharray=\"4 3\"" : "")/>

            """
    }

    /// A line of text beside, below or before a point of its base line.
    mutating func text(_ words: String, _ x: Double, _ y: Double, _ anchor: Anchor = .start) {
        var escaped = words
        for (character, name) in [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")] {
            escaped = escaped.replacingOccurrences(of: character, with: name)
        }
        body += """
            <text x="\(Self.text(x))" y="\(Self.text(y))" text-anchor="\(anchor.rawValue)">\(escaped)</text>

            """
    }

    /// The file's content.
    var text: String {
        """
        <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" \
        font-family="sans-serif" font-size="\(fontSize)">
        <rect width="100%" height="100%" fill="white"/>
        \(body)</svg>

        """
    }

    /// Writes the file.
    func write(to path: String) throws(FileOutputError) {
        try OutputFile.write(text.utf8, to: FilePath(path))
    }

    private static func text(_ number: Double) -> String { String(format: "%.1f", number) }
}
