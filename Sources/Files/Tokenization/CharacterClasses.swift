// SPDX-License-Identifier: Apache-2.0

/// The classes of characters that the pre-tokenizers' regular expressions tell apart.
///
/// Every character is in exactly one of them; a set of several is what an expression matches.
struct CharacterClass: OptionSet, Sendable {
    let rawValue: UInt16

    init(rawValue: UInt16) { self.rawValue = rawValue }

    /// `\p{Lu}`.
    static let upperCase = Self(rawValue: 1 << 0)
    /// `\p{Lt}`.
    static let titleCase = Self(rawValue: 1 << 1)
    /// `\p{Ll}`.
    static let lowerCase = Self(rawValue: 1 << 2)
    /// `[\p{Lm}\p{Lo}]`.
    static let caseless = Self(rawValue: 1 << 3)
    /// `\p{M}`.
    static let mark = Self(rawValue: 1 << 4)
    /// `\p{N}`.
    static let number = Self(rawValue: 1 << 5)
    /// `\p{P}`.
    static let punctuation = Self(rawValue: 1 << 6)
    /// `\p{S}`.
    static let symbol = Self(rawValue: 1 << 7)
    /// U+0020.
    static let space = Self(rawValue: 1 << 8)
    /// `[\r\n]`.
    static let newline = Self(rawValue: 1 << 9)
    /// The rest of `\s`: Unicode's White_Space.
    static let otherSpace = Self(rawValue: 1 << 10)
    /// Everything else, such as control characters and unassigned ones.
    static let other = Self(rawValue: 1 << 11)

    /// `\p{L}`.
    static let letter: Self = [upperCase, titleCase, lowerCase, caseless]
    /// `\s`.
    static let whiteSpace: Self = [space, newline, otherSpace]

    /// All characters but these.
    static prefix func ! (classes: Self) -> Self {
        Self(rawValue: ~classes.rawValue & 0xFFF)
    }

    /// The class of a character.
    init(_ scalar: Unicode.Scalar) {
        self =
            scalar.isASCII
            ? Self.ofASCII[Int(scalar.value)] : Self(properties: scalar.properties)
    }

    private static let ofASCII: [Self] = (UInt8.min..<128).map { byte -> Self in
        switch Unicode.Scalar(byte) {
        case " ": Self.space
        case "\r", "\n": Self.newline
        default: Self(properties: Unicode.Scalar(byte).properties)
        }
    }

    private init(properties: Unicode.Scalar.Properties) {
        self =
            switch properties.generalCategory {
            case .uppercaseLetter: .upperCase
            case .titlecaseLetter: .titleCase
            case .lowercaseLetter: .lowerCase
            case .modifierLetter, .otherLetter: .caseless
            case .nonspacingMark, .spacingMark, .enclosingMark: .mark
            case .decimalNumber, .letterNumber, .otherNumber: .number
            case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
                .initialPunctuation, .finalPunctuation, .otherPunctuation:
                .punctuation
            case .mathSymbol, .currencySymbol, .modifierSymbol, .otherSymbol: .symbol
            default: properties.isWhitespace ? .otherSpace : .other
            }
    }
}

/// The classes of a text's characters, for splitting it.
struct ClassifiedText {
    let scalars: [Unicode.Scalar]
    /// One class per scalar.
    let classes: [CharacterClass]
    /// Where each scalar starts in the UTF-8 text, and where the last one ends.
    let offsets: [Int]

    /// - Parameter text: valid UTF-8.
    init(_ text: ArraySlice<UInt8>) {
        var scalars: [Unicode.Scalar] = []
        var classes: [CharacterClass] = []
        var offsets: [Int] = []
        scalars.reserveCapacity(text.count)
        classes.reserveCapacity(text.count)
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
        self.classes = classes
        self.offsets = offsets + [offset]
    }
}
