// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The letter of the choice that an answer names, by MMBench's rules (arXiv 2307.06281); nil if they find none.
///
/// The rules are those of `can_infer` in open-compass/VLMEvalKit and lmms-eval: a single letter among the words, with or
/// without a mark around it, or else the text of a single choice.
func mmBenchChoice(_ answer: String, _ choices: [String]) -> Character? {
    let words = Set(answer.split(whereSeparator: \.isWhitespace).map(String.init))
    let letters: [Character] = ["A", "B", "C", "D", "E"]
    // "A" may be an article where there are more words.
    let mayBeArticle =
        words.contains("A") && answer.split(whereSeparator: \.isWhitespace).count > 3
    let marks = [
        ("", ""), ("", "."), ("", ","), ("", ":"), ("", ")"), ("", ")."), ("(", ")"), ("(", ")."),
        (":", ""), (":", ","), (":", "."), (":", ")"), (":", ")."),
    ]
    for (index, mark) in marks.enumerated() {
        let named = letters.filter { words.contains("\(mark.0)\($0)\(mark.1)") }
        if named.count == 1, index > 0 || !mayBeArticle { return named[0] }
    }
    let text = answer.lowercased()
    let named = zip(letters, choices.prefix(4)).filter { contains(text, $1.lowercased()) }
    return named.count == 1 ? named[0].0 : nil
}

/// Whether a text contains another, scalar by scalar; every text contains the empty one.
private func contains(_ text: String, _ part: String) -> Bool {
    offset(of: part, in: text) != nil
}

/// Where a part of a text begins, in scalars.
private func offset(of part: String, in text: String) -> Int? {
    let (text, part) = (Array(text.unicodeScalars), Array(part.unicodeScalars))
    guard part.count <= text.count else { return nil }
    return (0...(text.count - part.count)).first {
        text[$0..<($0 + part.count)].elementsEqual(part)
    }
}

/// Normalises a text as MileBench's `evaluate.py` does.
func mileBenchAnswer(_ text: String) -> String {
    withoutVQAPunctuation(onOneLine(text), mostCommas: 1).trimmingCharacters(
        in: CharacterSet(charactersIn: "'")
    )
    .trimmingCharacters(in: CharacterSet(charactersIn: "\""))
    .trimmingCharacters(in: .whitespacesAndNewlines).lowercased()
}

/// The letters of the choice that an answer names, as MileBench's `match_choice` finds them.
///
/// - Parameters:
///   - answer: the answer, as the model gave it.
///   - choices: the choices, as published.
func mileBenchLetter(_ answer: String, _ choices: [String]) -> String {
    let text = mileBenchAnswer(answer)
    // What MileBench makes of an empty answer.
    if text.isEmpty { return "C" }
    let options = choices.enumerated().map { (letter: choiceLetter($0), text: mileBenchAnswer($1)) }
    let lettered = options.map { mileBenchAnswer("\($0.letter) \($0.text)") }
    if let found = firstOccurrence(of: lettered, in: text) {
        return lettered[found].prefix(1).uppercased()
    }
    let texts = options.map { $0.text.replacingOccurrences(of: " ", with: "") }
    if let found = firstOccurrence(of: texts, in: text.replacingOccurrences(of: " ", with: "")),
        // A text with a mark that expressions escape is found and then compared with its escaped form.
        !texts[found].contains(where: { #"\.^$*+?{}[]|()"#.contains($0) })
    {
        return options[texts.firstIndex(of: texts[found]) ?? found].letter
    }
    let letters = options.map(\.letter)
    if text.count <= 2, letters.contains(text.uppercased()) { return text.uppercased() }
    return text.map { $0.uppercased() }.filter { letters.contains($0) }.joined()
}

/// The letter or letters of a choice: A to Z, then AA to AZ, then BA and so on.
func choiceLetter(_ index: Int) -> String {
    let letter = String(UnicodeScalar(UInt8(ascii: "A") + UInt8(index % 26)))
    return index < 26 ? letter : choiceLetter(index / 26 - 1) + letter
}

/// The index of the part that occurs first in a text; of parts that begin at one place, the first of the list.
private func firstOccurrence(of parts: [String], in text: String) -> Int? {
    parts.indices.compactMap { index in offset(of: parts[index], in: text).map { ($0, index) } }
        .min { $0 < $1 }?.1
}
