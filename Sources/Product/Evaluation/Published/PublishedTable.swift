// SPDX-License-Identifier: Apache-2.0
import UserText

/// A table of cells between tabs, with the names of its columns in the first line.
///
/// Cells are quoted as pandas writes them: a quoted cell may have tabs and line ends, and two quotes stand for one.
struct PublishedTable {
    /// A cell's bytes in the file, without the quotes around it.
    struct Cell {
        fileprivate let range: Range<Int>
        fileprivate let isQuoted: Bool
    }

    /// A row.
    struct Row {
        /// The line where it begins, from 1.
        let line: Int
        fileprivate let cells: [Cell]
    }

    /// The most bytes of a table with pictures.
    private static let limit = 2 << 30
    /// What pandas reads as nothing.
    private static let nothing: Set<String> = [
        "", "nan", "NaN", "NA", "N/A", "n/a", "null", "NULL", "None", "none", "#N/A", "<NA>",
    ]

    let path: String
    let rows: [Row]
    private let bytes: [UInt8]
    private let columns: [String: Int]

    /// Reads a table that has at least the columns `required`.
    init(path: String, required: [String]) throws(EvaluationError) {
        self.path = path
        do {
            bytes = try UserText.bytes(at: path.utf8, limit: Self.limit)
        } catch {
            throw .text(error)
        }
        let rows = try Self.rows(bytes, path)
        guard let header = rows.first else { throw .noQuestions(path: path) }
        var columns: [String: Int] = [:]
        for (index, cell) in header.cells.enumerated() {
            columns[try Self.text(cell, bytes, path, line: header.line)] = index
        }
        for name in required where columns[name] == nil {
            throw .badEntry(path: path, place: "line 1", expected: "a column \"\(name)\"")
        }
        for row in rows where row.cells.count != header.cells.count {
            throw .badEntry(
                path: path, place: "line \(row.line)",
                expected: "\(header.cells.count) cells, found \(row.cells.count)")
        }
        self.columns = columns
        self.rows = Array(rows.dropFirst())
    }

    /// The text of a cell; nil if it says nothing or there is no such column.
    func text(_ row: Row, _ column: String) throws(EvaluationError) -> String? {
        guard let index = columns[column] else { return nil }
        let text = try Self.text(row.cells[index], bytes, path, line: row.line)
        return Self.nothing.contains(text) ? nil : text
    }

    /// The text of a cell that must say something.
    func required(_ row: Row, _ column: String) throws(EvaluationError) -> String {
        guard let text = try text(row, column) else { throw refusal(row, column, "a text") }
        return text
    }

    /// Where the text of a cell stands in the file.
    func range(_ row: Row, _ column: String) -> Range<Int> {
        columns[column].map { row.cells[$0].range } ?? 0..<0
    }

    /// The error of a cell.
    func refusal(_ row: Row, _ column: String, _ expected: String) -> EvaluationError {
        .badEntry(path: path, place: "line \(row.line), \(column)", expected: expected)
    }

    private static func text(
        _ cell: Cell, _ bytes: [UInt8], _ path: String, line: Int
    ) throws(EvaluationError) -> String {
        do {
            let text = try UserText.exactText(
                Array(bytes[cell.range]), place: "\(path), line \(line)")
            return cell.isQuoted ? text.replacing("\"\"", with: "\"") : text
        } catch {
            throw .text(error)
        }
    }

    private static func rows(_ bytes: [UInt8], _ path: String) throws(EvaluationError) -> [Row] {
        let (tab, lineFeed) = (UInt8(ascii: "\t"), UInt8(ascii: "\n"))
        var rows: [Row] = []
        var place = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        var line = 1
        while place < bytes.count {
            let start = line
            var cells: [Cell] = []
            while true {
                cells.append(try cell(at: &place, &line, bytes, path))
                guard place < bytes.count, bytes[place] == tab else { break }
                place += 1
            }
            if place < bytes.count, bytes[place] == lineFeed { place += 1 }
            line += 1
            let isEmpty = cells.count == 1 && cells[0].range.isEmpty
            if !isEmpty { rows.append(Row(line: start, cells: cells)) }
        }
        return rows
    }

    /// Reads a cell up to the tab or the line end behind it.
    private static func cell(
        at place: inout Int, _ line: inout Int, _ bytes: [UInt8], _ path: String
    ) throws(EvaluationError) -> Cell {
        let (tab, lineFeed) = (UInt8(ascii: "\t"), UInt8(ascii: "\n"))
        let (carriageReturn, quote) = (UInt8(ascii: "\r"), UInt8(ascii: "\""))
        func isEnd(_ index: Int) -> Bool {
            index >= bytes.count || bytes[index] == tab || bytes[index] == lineFeed
                || (bytes[index] == carriageReturn && index + 1 < bytes.count
                    && bytes[index + 1] == lineFeed)
        }
        func passCarriageReturn() {
            if place < bytes.count, bytes[place] == carriageReturn { place += 1 }
        }
        guard place < bytes.count, bytes[place] == quote else {
            let start = place
            while !isEnd(place) { place += 1 }
            let range = start..<place
            passCarriageReturn()
            return Cell(range: range, isQuoted: false)
        }
        let (start, firstLine) = (place + 1, line)
        place = start
        while place < bytes.count {
            if bytes[place] == quote {
                guard place + 1 < bytes.count, bytes[place + 1] == quote else { break }
                place += 1
            } else if bytes[place] == lineFeed {
                line += 1
            }
            place += 1
        }
        guard place < bytes.count, isEnd(place + 1) else {
            throw .badEntry(
                path: path, place: "line \(firstLine)",
                expected: "a quoted cell that ends before a tab or a line end")
        }
        let range = start..<place
        place += 1
        passCarriageReturn()
        return Cell(range: range, isQuoted: true)
    }
}
