// SPDX-License-Identifier: Apache-2.0

/// The classes of characters in the pre-tokenizers' regular expressions.
enum CharacterClass: UInt8 {
    /// `\p{L}`
    case letter
    /// `\p{N}`
    case number
    /// U+0020
    case space
    /// `[\r\n]`, which are white space too.
    case newline
    /// The rest of `\s`: Unicode's White_Space.
    case otherSpace
    /// Everything else, including marks, punctuation and unassigned characters.
    case other
    /// The end of the text.
    case end

    var isWhiteSpace: Bool { self == .space || self == .newline || self == .otherSpace }

    init(_ scalar: Unicode.Scalar) {
        switch scalar {
        case " ": self = .space
        case "\r", "\n": self = .newline
        case "a"..."z", "A"..."Z": self = .letter
        case "0"..."9": self = .number
        default: self = Self(properties: scalar.properties)
        }
    }

    private init(properties: Unicode.Scalar.Properties) {
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
            self = .letter
        case .decimalNumber, .letterNumber, .otherNumber:
            self = .number
        default:
            self = properties.isWhitespace ? .otherSpace : .other
        }
    }
}

/// The classes of a text's characters, for splitting it.
struct ClassifiedText {
    let scalars: [Unicode.Scalar]
    /// One class per scalar, then `.end`.
    let classes: [CharacterClass]
    /// Where each scalar starts in the UTF-8 text, and where the last one ends.
    let offsets: [Int]

    /// - Parameter text: valid UTF-8.
    init(_ text: ArraySlice<UInt8>) {
        var scalars: [Unicode.Scalar] = []
        var classes: [CharacterClass] = []
        var offsets: [Int] = []
        scalars.reserveCapacity(text.count)
        classes.reserveCapacity(text.count + 1)
        offsets.reserveCapacity(text.count + 1)
        var offset = text.startIndex
        for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
            scalars.append(scalar)
            classes.append(CharacterClass(scalar))
            offsets.append(offset)
            offset += scalar.utf8.count
        }
        precondition(offset == text.endIndex, "the text is not UTF-8")
        self.scalars = scalars
        self.classes = classes + [.end]
        self.offsets = offsets + [offset]
    }

    /// The end of the run that starts at `index` and whose classes all satisfy `isIncluded`.
    func endOfRun(from index: Int, where isIncluded: (CharacterClass) -> Bool) -> Int {
        var end = index
        while classes[end] != .end, isIncluded(classes[end]) { end += 1 }
        return end
    }

    func endOfRun(of member: CharacterClass, from index: Int) -> Int {
        endOfRun(from: index) { $0 == member }
    }
}
