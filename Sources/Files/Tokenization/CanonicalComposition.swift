// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Unicode's normalization form C.
enum CanonicalComposition {
    /// Marks that are no marks themselves but decompose into two, which Foundation forgets to put in order.
    private static let marksOfTwo: [Unicode.Scalar: [Unicode.Scalar]] = [
        "\u{344}": ["\u{308}", "\u{301}"], "\u{F73}": ["\u{F71}", "\u{F72}"],
        "\u{F75}": ["\u{F71}", "\u{F74}"], "\u{F81}": ["\u{F71}", "\u{F80}"],
    ]

    /// The text with composed characters, in linear time but for the sorting of a character's marks.
    ///
    /// - Parameter text: valid UTF-8.
    static func compose(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        // Characters below U+0300, whose first byte is at most CB, are composed.
        guard text.contains(where: { $0 > 0xCB }) else { return text }
        let ordered = withOrderedMarks(String(decoding: text, as: UTF8.self))
        return Array(ordered.precomposedStringWithCanonicalMapping.utf8)[...]
    }

    /// The text with the marks of each character in canonical order.
    ///
    /// Foundation orders them, too, but in quadratic time.
    private static func withOrderedMarks(_ text: String) -> String {
        var ordered = String.UnicodeScalarView()
        var marks: [Unicode.Scalar] = []
        func endMarks() {
            guard !marks.isEmpty else { return }
            let order = marks.indices.sorted {
                (marks[$0].combiningClass, $0) < (marks[$1].combiningClass, $1)
            }
            for index in order { ordered.append(marks[index]) }
            marks = []
        }
        for scalar in text.unicodeScalars {
            for part in marksOfTwo[scalar] ?? [scalar] {
                if part.combiningClass == 0 {
                    endMarks()
                    ordered.append(part)
                } else {
                    marks.append(part)
                }
            }
        }
        endMarks()
        return String(ordered)
    }
}

extension Unicode.Scalar {
    fileprivate var combiningClass: UInt8 { properties.canonicalCombiningClass.rawValue }
}
