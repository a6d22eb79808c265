// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import TrimLLaVA

/// A table of results, for a terminal, a document, a spreadsheet or a script.
struct ResultTable {
    /// How results are printed.
    enum Format: String, CaseIterable, ExpressibleByArgument {
        case table, md, csv, json
    }

    /// A column: its heading for people, and its field in JSON.
    struct Column {
        let heading: String
        let field: String
    }

    let columns: [Column]
    let cells: [[String]]
    /// The number of text columns; columns of numbers follow.
    let wordColumns: Int

    private var heading: [String] { columns.map(\.heading) }

    /// Prints the results, or `rows` as JSON.
    func print(_ rows: some Encodable, as format: Format) throws {
        switch format {
        case .table: try writeOutput(table)
        case .md: try writeOutput(markdown)
        case .csv: try writeOutput(try csv(rows))
        case .json: try writeOutput(try jsonOutput(["results": rows]))
        }
    }

    private var table: String {
        tableText(
            [heading] + cells.map { $0.map { escapingControls($0) } },
            rightAligned: Set(wordColumns..<heading.count))
    }

    private var markdown: String {
        let ruler = heading.indices.map { $0 < wordColumns ? "---" : "---:" }
        return ([heading, ruler] + cells).map { line in
            let escaped = line.map { $0.replacingOccurrences(of: "|", with: "\\|") }
            return "| \(escaped.joined(separator: " | ")) |\n"
        }.joined()
    }

    /// Comma-separated values (RFC 4180): the fields of the JSON, unrounded, in the order of the columns.
    private func csv(_ rows: some Encodable) throws -> String {
        let json = Data(try jsonText(rows, keys: .convertToSnakeCase).utf8)
        let objects = try JSONSerialization.jsonObject(with: json) as? [[String: Any]] ?? []
        let fields = columns.map(\.field)
        let lines = objects.map { object in
            fields.map { field in object[field].map { "\($0)" } ?? "" }
        }
        return String(decoding: ([fields] + lines).flatMap(CSV.line), as: UTF8.self)
    }
}

/// Parses the comma-separated values of an option.
///
/// - Throws: `ValidationError` with the error of `read`.
func listed<Value>(_ text: String, _ read: (String) throws -> Value) throws -> [Value] {
    try text.split(separator: ",").map { part in
        do {
            return try read(String(part))
        } catch {
            throw ValidationError("\(error)")
        }
    }
}
