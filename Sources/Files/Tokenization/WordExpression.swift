// SPDX-License-Identifier: Apache-2.0

/// A set of characters, as an expression's brackets list it.
struct CharacterGroup: Sendable {
    let classes: CharacterClass
    let ranges: [ClosedRange<Unicode.Scalar>]
    /// Whether it is all characters but the listed ones.
    let isComplement: Bool

    init(
        _ classes: CharacterClass = [], _ ranges: [ClosedRange<Unicode.Scalar>] = [],
        isComplement: Bool = false
    ) {
        self.classes = classes
        self.ranges = ranges
        self.isComplement = isComplement
    }

    func contains(_ scalar: Unicode.Scalar, _ kind: CharacterClass) -> Bool {
        let isListed =
            !classes.isDisjoint(with: kind)
            || (!ranges.isEmpty && ranges.contains { $0.contains(scalar) })
        return isListed != isComplement
    }
}

/// A part of a regular expression that matches words.
enum WordTerm: Sendable {
    /// As many characters of a set as there are within the bounds, or fewer where the rest matches only then.
    case run(CharacterGroup, ClosedRange<Int>)
    /// `'s|'t|'re|'ve|'m|'ll|'d`.
    case contraction(ignoringCase: Bool)
    /// The same, or nothing.
    case optionalContraction
    /// `(?!\S)`: white space or the end follows.
    case noWordFollows
    /// `\s+$`.
    case whiteSpaceAtEnd

    /// `x?`.
    static func optional(_ set: CharacterGroup) -> Self { .run(set, 0...1) }
    /// `x*`.
    static func any(_ set: CharacterGroup) -> Self { .run(set, 0...Int.max) }
    /// `x+`.
    static func some(_ set: CharacterGroup) -> Self { .run(set, 1...Int.max) }
}

/// A regular expression whose matches, and what is left between them, are words.
///
/// Its alternatives are tried in order at every place, as backtracking engines do.
struct WordExpression: Sendable {
    let alternatives: [[WordTerm]]

    init(_ alternatives: [[WordTerm]]) {
        self.alternatives = alternatives
    }

    /// An expression that matches runs of a set.
    init(_ set: CharacterGroup, _ count: ClosedRange<Int> = 1...Int.max) {
        alternatives = [[.run(set, count)]]
    }

    /// Splits a word of a text, as if nothing stood around it, and appends what it becomes.
    func split(_ word: Range<Int>, of text: ClassifiedText, into words: inout [Range<Int>]) {
        let matcher = WordMatcher(text, word)
        var (start, unmatched) = (word.lowerBound, word.lowerBound)
        while start < word.upperBound {
            guard let end = matcher.end(ofOneOf: alternatives, from: start), end > start else {
                start += 1
                continue
            }
            if unmatched < start { words.append(unmatched..<start) }
            words.append(start..<end)
            (start, unmatched) = (end, end)
        }
        if unmatched < word.upperBound { words.append(unmatched..<word.upperBound) }
    }
}

/// Finds where terms end that begin at some place of a word.
private struct WordMatcher {
    private let text: ClassifiedText
    private let limit: Int
    /// Where the white space at the word's end begins.
    private let trailingSpace: Int

    init(_ text: ClassifiedText, _ word: Range<Int>) {
        self.text = text
        limit = word.upperBound
        let last = text.classes[word].lastIndex { CharacterClass.whiteSpace.isDisjoint(with: $0) }
        trailingSpace = last.map { $0 + 1 } ?? word.lowerBound
    }

    func end(ofOneOf alternatives: [[WordTerm]], from start: Int) -> Int? {
        for terms in alternatives {
            if let end = end(of: terms[...], from: start) { return end }
        }
        return nil
    }

    private func end(of terms: ArraySlice<WordTerm>, from start: Int) -> Int? {
        guard let term = terms.first else { return start }
        let rest = terms.dropFirst()
        switch term {
        case .run(let set, let bounds):
            var count = 0
            while count < bounds.upperBound, start + count < limit,
                set.contains(text.scalars[start + count], text.classes[start + count])
            {
                count += 1
            }
            guard !rest.isEmpty || count < bounds.lowerBound else { return start + count }
            while count >= bounds.lowerBound {
                if let end = end(of: rest, from: start + count) { return end }
                count -= 1
            }
            return nil
        case .contraction(let ignoringCase):
            return contraction(at: start, ignoringCase).flatMap { end(of: rest, from: $0) }
        case .optionalContraction:
            return end(of: rest, from: contraction(at: start, true) ?? start)
        case .noWordFollows:
            let isFree =
                start == limit || !CharacterClass.whiteSpace.isDisjoint(with: text.classes[start])
            return isFree ? end(of: rest, from: start) : nil
        case .whiteSpaceAtEnd:
            return start >= trailingSpace && start < limit ? limit : nil
        }
    }

    /// The end of a contraction, or nil if none stands here.
    private func contraction(at start: Int, _ ignoringCase: Bool) -> Int? {
        func letter(_ index: Int) -> Unicode.Scalar? {
            guard index < limit else { return nil }
            return ignoringCase ? text.scalars[index].foldedLetter : text.scalars[index]
        }
        guard letter(start) == "'" else { return nil }
        switch (letter(start + 1), letter(start + 2)) {
        case ("s", _), ("t", _), ("m", _), ("d", _): return start + 2
        case ("r", "e"), ("v", "e"), ("l", "l"): return start + 3
        default: return nil
        }
    }
}

extension Unicode.Scalar {
    /// The lower-case letter that a case-insensitive expression matches with this one.
    ///
    /// U+017F, the long s, is the only character beyond ASCII that folds to a letter of the
    /// contractions.
    fileprivate var foldedLetter: Unicode.Scalar {
        switch self {
        case "A"..."Z": Unicode.Scalar(UInt8(value) + 32)
        case "\u{17F}": "s"
        default: self
        }
    }
}
