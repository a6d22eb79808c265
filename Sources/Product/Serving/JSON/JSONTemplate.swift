// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A document that is written many times, each time with another text in one place.
struct JSONTemplate: Sendable {
    private let start: Data
    private let end: Data

    /// - Parameter document: the document with the text that it is given.
    init(_ document: (JSONValue) -> JSONValue) {
        let mark = Identifier.random()
        let line = document(.string(mark)).line
        guard let place = line.range(of: Data("\"\(mark)\"".utf8)) else {
            preconditionFailure("a template without a place for its text")
        }
        (start, end) = (line[..<place.lowerBound], line[place.upperBound...])
    }

    /// One line of JSON, with a text in the place.
    func line(_ text: String) -> Data { start + JSONValue.string(text).line + end }
}
