// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation

/// The terminal that standard error goes to.
enum Terminal {
    /// The width assumed for terminals that do not report theirs.
    private static let usualColumns = 80

    /// Whether it is a terminal that understands escape sequences.
    static var takesEscapes: Bool {
        takesEscapes(
            isTerminal: isatty(STDERR_FILENO) != 0,
            type: ProcessInfo.processInfo.environment["TERM"])
    }

    /// Whether a terminal of some type, the value of `TERM`, understands escape sequences.
    static func takesEscapes(isTerminal: Bool, type: String?) -> Bool {
        isTerminal && !["", "dumb", "unknown"].contains(type ?? "")
    }

    /// Its current width.
    static var columns: Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
            return usualColumns
        }
        return Int(size.ws_col)
    }
}

/// The text with control characters as escapes.
///
/// Strings from files could otherwise control the terminal.
///
/// Line breaks stay unless `keepingLines` is false.
func escapingControls(_ text: String, keepingLines: Bool = true) -> String {
    var escaped = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
        if scalar.properties.generalCategory == .control && !(keepingLines && scalar == "\n") {
            escaped.append(contentsOf: scalar.escaped(asASCII: true).unicodeScalars)
        } else {
            escaped.append(scalar)
        }
    }
    return String(escaped)
}

/// A readable number of bytes, such as `3.80 GiB`.
func byteCountText(_ count: Int) -> String {
    var value = Double(count)
    for unit in ["bytes", "KiB", "MiB", "GiB"] {
        if value < 1024 {
            return unit == "bytes" ? "\(count) bytes" : String(format: "%.2f \(unit)", value)
        }
        value /= 1024
    }
    return String(format: "%.2f TiB", value)
}

/// Rows of a table, with columns padded to their longest cell and two spaces between them.
///
/// The columns in `rightAligned` are padded on the left; the last column is not padded on the right.
func tableText(_ rows: [[String]], rightAligned: Set<Int> = []) -> String {
    var widths: [Int] = []
    for row in rows {
        for (column, cell) in row.enumerated() {
            if column == widths.count { widths.append(0) }
            widths[column] = max(widths[column], cell.count)
        }
    }
    return rows.map { row in
        let cells = row.enumerated().map { column, cell in
            let padding = String(repeating: " ", count: widths[column] - cell.count)
            if rightAligned.contains(column) { return padding + cell }
            return column == row.count - 1 ? cell : cell + padding
        }
        return cells.joined(separator: "  ") + "\n"
    }.joined()
}

/// Writes text to standard output.
///
/// - Throws: `OutputError` if not all of it could be written, such as on a full disk.
func writeOutput(_ text: String) throws(OutputError) {
    do {
        try FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
    } catch {
        throw OutputError(reason: systemReason(error))
    }
}

/// The operating system's message for an error, such as `No space left on device`.
func systemReason(_ error: any Error) -> String {
    let error = error as NSError
    if error.domain == NSPOSIXErrorDomain { return systemReason(Int32(error.code)) }
    guard let underlying = error.userInfo[NSUnderlyingErrorKey] as? any Error else {
        return error.localizedDescription
    }
    return systemReason(underlying)
}

/// Why writing standard output failed.
struct OutputError: Error, Equatable, CustomStringConvertible {
    let reason: String

    var description: String { "cannot write the output: \(reason)" }
}
