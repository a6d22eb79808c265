// SPDX-License-Identifier: Apache-2.0

/// Splits text into the words that byte-pair encoding never merges across.
///
/// Each rule is a regular expression in the model's published tokenizer, applied from left to
/// right; here it is a hand-written scan, linear in the length of the text. Written out:
///
/// - `llama3`: `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}`
///   `| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
/// - `qwen2`: the same with `\p{N}` in place of `\p{N}{1,3}`
/// - `gpt2`: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
///
/// Qwen2's own tokenizer first composes characters (NFC); like llama.cpp, this one does not.
enum PreTokenizer: Sendable {
    case llama3, qwen2, gpt2

    /// Names of these rules in `tokenizer.ggml.pre`.
    static let names = ["llama-bpe", "llama3", "llama-v3", "qwen2", "gpt-2"]

    init?(name: String) {
        switch name {
        case "llama-bpe", "llama3", "llama-v3": self = .llama3
        case "qwen2": self = .qwen2
        case "gpt-2": self = .gpt2
        default: return nil
        }
    }

    /// Whether a word that is a token stays whole, even if no merges lead to it.
    var keepsWholeWords: Bool { self == .llama3 }

    /// Splits `text` into words without dropping anything.
    func words(in text: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        let classified = ClassifiedText(text)
        var words: [ArraySlice<UInt8>] = []
        var start = 0
        while classified.classes[start] != .end {
            let end =
                switch self {
                case .llama3: classified.endOfModernWord(from: start, longestNumber: 3)
                case .qwen2: classified.endOfModernWord(from: start, longestNumber: 1)
                case .gpt2: classified.endOfClassicWord(from: start)
                }
            words.append(text[classified.offsets[start]..<classified.offsets[end]])
            start = end
        }
        return words
    }
}

extension ClassifiedText {
    /// The end of the word at `start` by the rule of Llama-3 and Qwen2.
    fileprivate func endOfModernWord(from start: Int, longestNumber: Int) -> Int {
        if let end = endOfContraction(from: start, ignoringCase: true) { return end }
        let first = classes[start]
        if first == .letter { return endOfRun(of: .letter, from: start) }
        if first == .number {
            return min(endOfRun(of: .number, from: start), start + longestNumber)
        }
        if first != .newline, classes[start + 1] == .letter {
            return endOfRun(of: .letter, from: start + 1)
        }
        if let end = endOfSpacedRun(of: .other, from: start) {
            return endOfRun(of: .newline, from: end)
        }
        let end = endOfRun(from: start, where: \.isWhiteSpace)
        if let lastNewline = classes[start..<end].lastIndex(of: .newline) {
            return lastNewline + 1
        }
        return endOfWhiteSpace(from: start, runEnd: end)
    }

    /// The end of the word at `start` by the rule of GPT-2.
    fileprivate func endOfClassicWord(from start: Int) -> Int {
        if let end = endOfContraction(from: start, ignoringCase: false) { return end }
        for member in [CharacterClass.letter, .number, .other] {
            if let end = endOfSpacedRun(of: member, from: start) { return end }
        }
        return endOfWhiteSpace(from: start, runEnd: endOfRun(from: start, where: \.isWhiteSpace))
    }

    /// The end of `'s|'t|'re|'ve|'m|'ll|'d`, or nil if none stands here.
    private func endOfContraction(from start: Int, ignoringCase: Bool) -> Int? {
        guard scalars[start] == "'" else { return nil }
        func letter(_ index: Int) -> Unicode.Scalar? {
            guard index < scalars.count else { return nil }
            return ignoringCase ? scalars[index].foldedLetter : scalars[index]
        }
        switch (letter(start + 1), letter(start + 2)) {
        case ("s", _), ("t", _), ("m", _), ("d", _): return start + 2
        case ("r", "e"), ("v", "e"), ("l", "l"): return start + 3
        default: return nil
        }
    }

    /// The end of ` ?[member]+`, or nil if none stands here.
    private func endOfSpacedRun(of member: CharacterClass, from start: Int) -> Int? {
        let first = classes[start] == .space ? start + 1 : start
        return classes[first] == member ? endOfRun(of: member, from: first) : nil
    }

    /// `\s+(?!\S)|\s+`: the last space of a run belongs to the next word.
    private func endOfWhiteSpace(from start: Int, runEnd: Int) -> Int {
        classes[runEnd] == .end || runEnd - start == 1 ? runEnd : runEnd - 1
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
