// SPDX-License-Identifier: Apache-2.0

// The regular expressions of published tokenizers. Their texts are in the documentation.

extension WordExpression {
    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?LETTERS+|NUMBERS`
    /// `| ?[^\sLETTERS\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`.
    ///
    /// - Parameter afterSymbols: what may follow symbols; nil for nothing.
    static func modern(
        letters: CharacterClass = .letter, numbers: ClosedRange<Int>,
        afterSymbols: CharacterGroup? = .newlines
    ) -> Self {
        WordExpression(
            [
                [.contraction(ignoringCase: true)],
                [.optional(.beforeLetters), .some(CharacterGroup(letters))],
                [.run(.numbers, numbers)],
                symbols(![.whiteSpace, letters, .number], then: afterSymbols),
            ] + whiteSpaceByLines)
    }

    /// `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+SUFFIX`
    /// `|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*SUFFIX|NUMBERS`
    /// `| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`.
    ///
    /// - Parameter contractions: whether SUFFIX is `(?i:'s|'t|'re|'ve|'m|'ll|'d)?`, or nothing.
    static func cased(numbers: ClosedRange<Int>, contractions: Bool) -> Self {
        let upper = CharacterGroup([.upperCase, .titleCase, .caseless, .mark])
        let lower = CharacterGroup([.lowerCase, .caseless, .mark])
        let suffix: [WordTerm] = contractions ? [.optionalContraction] : []
        return WordExpression(
            [
                [.optional(.beforeLetters), .any(upper), .some(lower)] + suffix,
                [.optional(.beforeLetters), .some(upper), .any(lower)] + suffix,
                [.run(.numbers, numbers)],
                symbols(
                    ![.whiteSpace, .letter, .number], then: CharacterGroup(.newline, ["/"..."/"])),
            ] + whiteSpaceByLines)
    }

    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
    static let classic = WordExpression([
        [.contraction(ignoringCase: false)],
        [.optional(.spaces), .some(CharacterGroup(.letter))],
        [.optional(.spaces), .some(.numbers)],
        symbols(![.whiteSpace, .letter, .number], then: nil),
        [.some(CharacterGroup(.whiteSpace)), .noWordFollows],
        [.some(CharacterGroup(.whiteSpace))],
    ])

    /// ``[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+``
    /// `| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`.
    static let deepSeek3 = WordExpression(
        [
            [
                .run(CharacterGroup([], ["!"..."/", ":"..."@", "["..."`", "{"..."~"]), 1...1),
                .some(CharacterGroup([], ["A"..."Z", "a"..."z"])),
            ],
            [
                .optional(CharacterGroup(![.newline, .letter, .punctuation, .symbol])),
                .some(CharacterGroup([.letter, .mark])),
            ],
            symbols([.punctuation, .symbol], then: .newlines),
        ] + whiteSpaceByLines)

    /// ` ?[^(\s|.,!?…。，、।۔،)]+`.
    static let sentenceParts = WordExpression([
        [
            .optional(.spaces),
            .some(
                CharacterGroup(
                    .whiteSpace,
                    [
                        "("..."(", "|"..."|", "."...".", ","...",", "!"..."!", "?"..."?", "…"..."…",
                        "。"..."。", "，"..."，", "、"..."、", "।"..."।", "۔"..."۔", "،"..."،", ")"...")",
                    ], isComplement: true)),
        ]
    ])

    /// `[^\n]+|[\n]+`.
    static let lines = WordExpression([
        [.some(CharacterGroup([], ["\n"..."\n"], isComplement: true))],
        [.some(CharacterGroup([], ["\n"..."\n"]))],
    ])

    /// `\s?SET+`.
    static func spaced(_ set: CharacterGroup) -> Self {
        WordExpression([[.optional(CharacterGroup(.whiteSpace)), .some(set)]])
    }

    /// ` ?CLASSES+`, and what may follow.
    private static func symbols(
        _ classes: CharacterClass, then following: CharacterGroup?
    ) -> [WordTerm] {
        [.optional(.spaces), .some(CharacterGroup(classes))] + (following.map { [.any($0)] } ?? [])
    }

    /// `\s*[\r\n]+|\s+(?!\S)|\s+`.
    private static let whiteSpaceByLines: [[WordTerm]] = [
        [.any(CharacterGroup(.whiteSpace)), .some(.newlines)],
        [.some(CharacterGroup(.whiteSpace)), .noWordFollows],
        [.some(CharacterGroup(.whiteSpace))],
    ]
}

extension CharacterGroup {
    static let spaces = CharacterGroup(.space)
    static let newlines = CharacterGroup(.newline)
    static let numbers = CharacterGroup(.number)
    /// `[0-9]`.
    static let asciiDigits = CharacterGroup([], ["0"..."9"])
    /// `[^\r\n\p{L}\p{N}]`.
    fileprivate static let beforeLetters = CharacterGroup(![.newline, .letter, .number])

    /// ``[\p{P}\$\+<=>\^~\|]``.
    static let defaultPunctuation = CharacterGroup(
        .punctuation, ["$"..."$", "+"..."+", "<"...">", "^"..."^", "~"..."~", "|"..."|"])
    /// ``[\p{P}\$\+<=>\^~\|`]``.
    static let falconPunctuation = CharacterGroup(
        .punctuation, defaultPunctuation.ranges + ["`"..."`"])

    /// `[一-龥ࠀ-一가-퟿]`.
    static let deepSeekIdeographs = CharacterGroup(
        [], ["\u{800}"..."\u{9FA5}", "\u{AC00}"..."\u{D7FF}"])
    /// `[一-龥぀-ゟ゠-ヿ]`.
    static let ideographsAndKana = CharacterGroup(
        [], ["\u{4E00}"..."\u{9FA5}", "\u{3040}"..."\u{30FF}"])
    /// `[!-/:-~！-／：-～‘-‟　-。]`.
    static let deepSeekPunctuation = CharacterGroup(
        [],
        [
            "!"..."/", ":"..."~", "\u{FF01}"..."\u{FF0F}", "\u{FF1A}"..."\u{FF5E}",
            "\u{2018}"..."\u{201F}", "\u{3000}"..."\u{3002}",
        ])
}
