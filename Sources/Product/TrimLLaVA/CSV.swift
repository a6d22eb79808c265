// SPDX-License-Identifier: Apache-2.0

/// Comma-separated values (RFC 4180).
package enum CSV {
    /// A line with its end.
    package static func line(_ fields: [String]) -> [UInt8] {
        Array(fields.map(quoted).joined(separator: [UInt8(ascii: ",")])) + [UInt8(ascii: "\n")]
    }

    /// A field, in quotes if it needs them.
    ///
    /// Quotation marks are searched as bytes, because a combining mark after one makes it another `Character`.
    private static func quoted(_ field: String) -> [UInt8] {
        let quote = UInt8(ascii: "\"")
        let isPadded = field.first?.isWhitespace == true || field.last?.isWhitespace == true
        guard isPadded || field.utf8.contains(where: { ",\"\r\n".utf8.contains($0) }) else {
            return Array(field.utf8)
        }
        return [quote] + field.utf8.flatMap { $0 == quote ? [quote, quote] : [$0] } + [quote]
    }
}
