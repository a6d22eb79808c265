// SPDX-License-Identifier: Apache-2.0
import UserText

extension AppendedFile {
    /// Calls `body` with each record and the number of its line; blank lines are skipped.
    ///
    /// - Returns: the number of the last line if it is broken and follows a record, as a power failure may leave it.
    /// - Throws: `CaptioningError.notARecord` for any other line that is not a record.
    func forEachRecord(
        _ body: (CaptionRecord, Int) throws(CaptioningError) -> Void
    ) throws(CaptioningError) -> Int? {
        var (count, broken) = (0, (number: 0, error: CaptioningError?.none))
        try forEachLine { line, number throws(CaptioningError) in
            guard line.contains(where: { !" \t\r".utf8.contains($0) }) else { return }
            if let error = broken.error { throw error }
            let record: CaptionRecord
            do {
                let text = try UserText.line(line, place: "\(self.path.text), line \(number)")
                record = try CaptionRecord(line: text.utf8)
            } catch {
                broken = (
                    number,
                    .notARecord(path: self.path.text, line: number, reason: Self.text(of: error))
                )
                return
            }
            count += 1
            try body(record, number)
        }
        if let error = broken.error, count == 0 { throw error }
        return broken.error == nil ? nil : broken.number
    }

    private static func text(of error: any Error) -> String {
        if let error = error as? UserTextError { return "\(error)" }
        switch error as? DecodingError {
        // No other key is required.
        case .keyNotFound: return "file_name is missing"
        case .dataCorrupted(let context): return context.debugDescription
        default: return "expected a JSON object with a file_name, and a text or an error"
        }
    }
}
